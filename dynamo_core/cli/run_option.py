"""Which run a command means."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from dynamo_core.cli.completing import complete_run
from dynamo_core.errors import CallError, DynamoError, RemoteCallError

if TYPE_CHECKING:
    from dynamo_core.control import FoundRun
    from dynamo_core.control.client import ControlClient

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

PATIENCE_S: Final = 5.0


class SilentRunError(DynamoError):
    """Nobody answers on the control socket of a live run."""

    def __init__(self, run: FoundRun, reason: str) -> None:
        super().__init__(f"run {run.run_id} does not answer on its control socket: {reason}")
        self.run_id = run.run_id
        self.reason = reason


def run_option(function: F) -> F:
    """Add ``--run RUN`` to a command, as its argument ``run``."""
    return click.option(
        "--run",
        "run",
        metavar="RUN",
        shell_complete=complete_run,
        show_default="the only one",
        help="A run's id, the beginning of one, or the name of its graph.",
    )(function)


def ask_run(
    run: FoundRun, ask: Callable[[ControlClient], Coroutine[Any, Any, T]], *, patience_s: float = PATIENCE_S
) -> T:
    """Ask a run something over its control socket, and wait for the answer.

    Args:
        run: The run.
        ask: Asks; gets the client, which is closed afterwards.
        patience_s: Seconds in which somebody has to be there on the socket.

    Raises:
        SilentRunError: Nobody was.
        DynamoError: What the run answered.
    """

    async def talk() -> T:
        from dynamo_core.control.client import ControlClient  # the transport, needed only now

        async with ControlClient(run.control_socket_path, run.run_id, patience_s=patience_s) as client:
            return await ask(client)

    if not run.control_socket_path.exists():
        raise SilentRunError(run, "it is not there")
    try:
        return asyncio.run(talk())
    except RemoteCallError as exc:
        raise DynamoError(
            f"run {run.run_id} failed at that: {exc.type_name}: {exc.message}; "
            "what its supervisor wrote has the traceback"
        ) from exc
    except CallError as exc:
        raise SilentRunError(run, str(exc)) from exc
