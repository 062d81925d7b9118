"""Commands for runs that are there, whatever provider runs them and whether or not it is still installed."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from dynamo_core.cli.completing import complete_run, complete_service
from dynamo_core.cli.console import message
from dynamo_core.cli.run_option import PATIENCE_S, SilentRunError, ask_run, run_option
from dynamo_core.errors import EXIT_NOT_STARTED, DynamoError, RunNotFoundError, ServiceFailedError

if TYPE_CHECKING:
    from dynamo_core.control import FoundRun, RunState
    from dynamo_core.control.client import ControlClient

F = TypeVar("F", bound=Callable[..., Any])

LOOK_INTERVAL_S: Final = 0.05

_AFTER_KILL_S: Final = 5.0


class WaitedTooLongError(DynamoError):
    """A run did not become what was waited for, in time."""


class RunEndedEarlyError(DynamoError):
    """A run ended before it was ready."""

    exit_code = EXIT_NOT_STARTED


def timeout_option(default_s: float, text: str, *, may_be_zero: bool = False) -> Callable[[F], F]:
    """Add ``--timeout SECONDS`` to a command, as its argument ``timeout_s``."""
    return click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(min=0, min_open=not may_be_zero),
        default=default_s,
        show_default=True,
        metavar="SECONDS",
        help=text,
    )


reason_option = click.option("--reason", metavar="TEXT", help="Why, for the record of the run.")


@click.command(short_help="Stop a run.")
@click.argument("run", required=False, shell_complete=complete_run)
@timeout_option(60.0, "How long it may take.")
@click.option("--kill", is_flag=True, help="Kill its supervisor when it takes longer.")
@reason_option
def stop(run: str | None, timeout_s: float, kill: bool, reason: str | None) -> None:
    """Stop RUN and wait until it is over: a run's id, the beginning of one, or the name of its graph.

    Calls that are under way are finished first, within each service's stop time.
    RUN may be left out when one run is alive.
    """
    from dynamo_core.control import find_run

    found = find_run(run)
    deadline = time.monotonic() + timeout_s
    _ask_to_stop(found, reason or "dynamo stop", patience_s=min(PATIENCE_S, timeout_s / 2))
    is_over = _wait_until_over(found, max(deadline - time.monotonic(), 0.0))
    if not is_over and kill and _signal(found, signal.SIGKILL):
        is_over = _wait_until_over(found, _AFTER_KILL_S)
    if not is_over:
        hint = "" if kill else "; --kill ends it all the same"
        raise WaitedTooLongError(f"{_name(found)} was told to stop and has not ended{hint}")
    message(f"{_name(found)} has stopped")


def _ask_to_stop(run: FoundRun, reason: str, *, patience_s: float) -> None:
    """Over the control socket; with a signal where nobody answers there within *patience_s*."""
    import asyncio

    from dynamo_core.control import is_over

    async def ask(client: ControlClient) -> None:
        try:
            async with asyncio.timeout(patience_s):
                await client.stop(reason=reason)
        except TimeoutError as exc:
            raise SilentRunError(run, f"no answer within {patience_s:g} s") from exc

    try:
        ask_run(run, ask, patience_s=patience_s)
    except SilentRunError as exc:
        if is_over(run):
            return
        message(f"{exc}; its supervisor is sent SIGTERM", kind="warning")
        _signal(run, signal.SIGTERM)


def _signal(run: FoundRun, number: int) -> bool:
    from dynamo_core.control import signal_supervisor

    return signal_supervisor(run, number)


def _wait_until_over(run: FoundRun, timeout_s: float) -> bool:
    import asyncio

    from dynamo_core.control import wait_until_over

    return asyncio.run(wait_until_over(run, timeout_s))


@click.command(short_help="Change how many workers a service has.")
@click.argument("service", shell_complete=complete_service)
@click.argument("workers", type=click.IntRange(min=0))
@run_option
@reason_option
def scale(service: str, workers: int, run: str | None, reason: str | None) -> None:
    """Bring SERVICE to that many WORKERS, and wait until they are ready or gone."""
    from dynamo_core.control import find_run

    found = find_run(run)
    ask_run(found, lambda client: client.scale(service, workers, reason=reason or "dynamo scale"))
    message(f"{service} has {workers} worker{'' if workers == 1 else 's'}")


@click.command(short_help="Replace a service's workers, one after another.")
@click.argument("service", shell_complete=complete_service)
@run_option
@reason_option
def restart(service: str, run: str | None, reason: str | None) -> None:
    """Replace the workers of SERVICE, each once its successor is ready, and wait until all are new."""
    from dynamo_core.control import find_run

    found = find_run(run)
    ask_run(found, lambda client: client.restart(service, reason=reason or "dynamo restart"))
    message(f"{service} has new workers")


@click.command(short_help="Wait until a run is ready, or over.")
@click.argument("run", required=False, shell_complete=complete_run)
@click.option(
    "--for",
    "condition",
    type=click.Choice(["ready", "stopped"]),
    default="ready",
    show_default=True,
    help="What to wait for.",
)
@timeout_option(60.0, "How long to wait; 0 waits without limit.", may_be_zero=True)
def wait(run: str | None, condition: str, timeout_s: float) -> None:
    """Wait until every worker of RUN is ready, or until RUN is over.

    For a run that is not there yet, ready is waited for all the same.
    RUN may be left out when one run is alive.
    """
    deadline = time.monotonic() + timeout_s if timeout_s else None
    if condition == "ready":
        _wait_until_ready(run, deadline)
        return
    from dynamo_core.control import find_run, is_over

    found = find_run(run)
    while not is_over(found):
        _pause(deadline, f"{_name(found)} has not ended")


def _wait_until_ready(wanted: str | None, deadline: float | None) -> None:
    from dynamo_core.control import find_run

    seen: FoundRun | None = None
    while True:
        try:
            found = find_run(wanted if seen is None else seen.run_id)
        except RunNotFoundError as exc:
            if seen is not None:
                raise RunEndedEarlyError(f"{_name(seen)} ended before it was ready") from exc
            if exc.fitting:
                raise
            _pause(deadline, str(exc))
            continue
        seen = found
        if found.state is not None and _is_ready(found.state):
            return
        _pause(deadline, f"{_name(found)} is not ready: {_what_is_missing(found)}")


def _is_ready(state: RunState) -> bool:
    if state.state == "failed":
        culprit = next((each.name for each in state.services if each.state == "failed"), state.graph)
        raise ServiceFailedError(culprit, "it is given up")
    return state.state == "ready" and all(
        worker.state == "ready" for service in state.services for worker in service.workers
    )


def _what_is_missing(run: FoundRun) -> str:
    if run.state is None:
        return f"its state cannot be read: {run.problem}"
    waiting = [
        f"{service.name}/{worker.slot} is {worker.state}"
        for service in run.state.services
        for worker in service.workers
        if worker.state != "ready"
    ]
    return ", ".join(waiting) or f"it is {run.state.state}"


def _pause(deadline: float | None, otherwise: str) -> None:
    """Wait a little; *otherwise* is the error once there is no time left."""
    if deadline is not None and time.monotonic() >= deadline:
        raise WaitedTooLongError(f"{otherwise}, and the time is up")
    time.sleep(LOOK_INTERVAL_S)


def _name(run: FoundRun) -> str:
    return f"run {run.run_id}" + (f" ({run.state.graph})" if run.state is not None else "")
