"""``dynamo call``: one call to an endpoint of a live run, from the shell.

Arguments and results are JSON on the wire too, so that no class of the user's is imported here.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from dynamo_core.cli.completing import complete_endpoint
from dynamo_core.cli.console import is_terminal, message, printable
from dynamo_core.cli.run_option import run_option
from dynamo_core.errors import (
    RemoteCallError,
    RunNotFoundError,
    ServiceNotFoundError,
    ServiceUnavailableError,
    TransportError,
    WorkerLostError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from dynamo_core.control import FoundRun, WorkerState

_UNSAFE: Final = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


_DOWN: Final = frozenset({"degraded", "failed", "stopped"})


class CallRequest(NamedTuple):
    """The command line of ``dynamo call``."""

    endpoint: str
    body: str | None
    run: str | None
    timeout_s: float | None
    slot: int | None


@click.command(short_help="Call an endpoint of a run.")
@click.argument("endpoint", metavar="SERVICE.ENDPOINT", shell_complete=complete_endpoint)
@click.argument("body", metavar="[JSON]", required=False)
@run_option
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    show_default="the endpoint's own",
    help="How long the call may take.",
)
@click.option("--slot", type=click.IntRange(min=0), show_default="any", help="The one worker to call.")
@click.pass_context
def call(ctx: click.Context, /, **params: Any) -> None:
    """Call SERVICE.ENDPOINT of a live run and write its result as JSON; a stream's items as they come, one a line.

    JSON holds the arguments, as the body of an HTTP request does: an object by name, or the model itself.
    It is read from standard input if it is -, and from a file if it is @FILE. Bytes are base64.
    """
    from dynamo_core.control import find_run

    request = CallRequest(**params)
    service, endpoint = _split(ctx, request.endpoint)
    body = _read_body(ctx, request.body)
    found = find_run(request.run)
    one_call = _Call(found, service, endpoint, body, request.timeout_s)
    try:
        asyncio.run(one_call.make(_workers(found, service, request.slot)))
    except RemoteCallError as exc:
        if exc.traceback_text and ctx.find_root().params.get("debug"):
            message(exc.traceback_text.rstrip())
        raise


class _Call:
    """One call, and what is needed to make it."""

    def __init__(
        self, run: FoundRun, service: str, endpoint: str, body: bytes, timeout_s: float | None
    ) -> None:
        self._run = run
        self._service = service
        self._endpoint = endpoint
        self._body = body
        self._timeout_s = timeout_s

    async def make(self, workers: Sequence[WorkerState]) -> None:
        """Make the call on the first of *workers* that takes it, and write what comes.

        Raises:
            CallError: It failed.
        """
        for number, worker in enumerate(workers, start=1):
            try:
                await self._write_all(self._open(worker))
            except (ServiceUnavailableError, TransportError, WorkerLostError) as exc:
                was_begun = isinstance(exc, WorkerLostError) and exc.begun
                if was_begun or number == len(workers):
                    raise
            else:
                return

    def _open(self, worker: WorkerState) -> AsyncGenerator[bytes, None]:
        from dynamo_core.transport import call_json

        assert worker.path is not None, "workers without a socket are left out"
        return call_json(
            worker.path,
            run_id=self._run.run_id,
            service=self._service,
            endpoint=self._endpoint,
            body=self._body,
            slot=worker.slot,
            timeout_s=self._timeout_s,
        )

    async def _write_all(self, texts: AsyncGenerator[bytes, None]) -> None:
        async with contextlib.aclosing(texts):
            async for text in texts:
                _write_json(text)


def _write_json(text: bytes) -> None:
    """Write one JSON text as a line, at once; on a terminal, what would hide or move becomes JSON's escapes."""
    shown = text.decode("utf-8")
    if is_terminal(sys.stdout):
        shown = _UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", shown)
    sys.stdout.write(f"{shown}\n")
    sys.stdout.flush()


def _split(ctx: click.Context, text: str) -> tuple[str, str]:
    service, dot, name = text.rpartition(".")
    if not dot or not service or not name:
        raise click.UsageError(f"name an endpoint as SERVICE.ENDPOINT, got {printable(text)!r}", ctx)
    return service, name


def _read_body(ctx: click.Context, text: str | None) -> bytes:
    """The arguments, which have to be JSON."""
    import msgspec

    if text is None:
        return b""
    source = f"{printable(text)[:80]!r}"
    try:
        hint = ""
        if text == "-":
            source, body = "standard input", sys.stdin.buffer.read()
        elif text.startswith("@"):
            source, body = text[1:], Path(text[1:]).read_bytes()
        else:
            body, hint = text.encode("utf-8", "surrogateescape"), "; a text needs its quotes: '\"text\"'"
        if body.strip():
            msgspec.json.decode(body, type=msgspec.Raw)
    except OSError as exc:
        raise click.UsageError(f"{source} cannot be read: {exc.strerror}", ctx) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise click.UsageError(f"{source} is not JSON: {exc}{hint}", ctx) from exc
    return body


def _refuse_down(service: str, state: str, workers: Sequence[WorkerState]) -> None:
    """Refuse a call to what is down for good, or for long, instead of waiting for it.

    Raises:
        ServiceUnavailableError: None of *workers* lives, and none is about to.
    """
    if state in _DOWN and all(worker.pid is None for worker in workers):
        causes = {worker.last_cause for worker in workers if worker.last_cause}
        told = f": it {'; it '.join(sorted(causes))}" if causes else ""
        raise ServiceUnavailableError(service, f"it is {state}{told}")


def _workers(run: FoundRun, service: str, slot: int | None) -> list[WorkerState]:
    """The workers to try: those that are ready first, the rest after them.

    Raises:
        ServiceNotFoundError: The run has no such service.
        ServiceUnavailableError: No worker of it has a socket, or none has that slot.
    """
    if run.state is None:
        raise RunNotFoundError(f"the state of run {run.run_id} cannot be read: {run.problem}")
    known = {each.name: each for each in run.state.services}
    if service not in known:
        raise ServiceNotFoundError(service, known=list(known))
    reachable = [worker for worker in known[service].workers if worker.path is not None]
    if not reachable:
        raise ServiceUnavailableError(
            service, f"its workers have no sockets that could be called (provider {run.state.provider!r})"
        )
    if slot is not None:
        slots = ", ".join(str(worker.slot) for worker in reachable)
        reachable = [worker for worker in reachable if worker.slot == slot]
        if not reachable:
            raise ServiceUnavailableError(service, f"it has no slot {slot}; it has: {slots}")
    _refuse_down(service, known[service].state, reachable)
    random.shuffle(reachable)
    return sorted(reachable, key=lambda worker: worker.state != "ready")
