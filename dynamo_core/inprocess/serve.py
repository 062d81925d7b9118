"""``dynamo serve``: a graph is the whole purpose of this process, until a signal or ``dynamo stop`` ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

import attrs

from dynamo_core.errors import EXIT_OK
from dynamo_core.host.unless import unless
from dynamo_core.inprocess.running import InProcessServices
from dynamo_core.provider import ServiceEvent
from dynamo_core.supervision.stop_signals import StopSignals
from dynamo_core.worker_kit.supervised import run_loop

if TYPE_CHECKING:
    from dynamo_core.inprocess.options import InProcessOptions
    from dynamo_core.inprocess.run_files import RunFiles
    from dynamo_core.provider import BoundGraph

_HAS_RUN_FILES = os.name == "posix"


def serve_services(graph: BoundGraph, options: InProcessOptions) -> int:
    """Serve *graph*: over HTTP, and to other processes of this user through the run's sockets.

    Where there are no unix sockets, HTTP and signals are the only ways to reach it.

    Args:
        graph: What to run.
        options: What the caller asked of this provider.

    Returns:
        The exit code of a run that was asked to stop.

    Raises:
        StartError: A service did not start; everything has been stopped again.
        DynamoError: The run directory, a socket or an address cannot be had.
    """
    with contextlib.ExitStack() as stack:
        files = _open_files(graph, stack)
        signals = stack.enter_context(StopSignals(_nothing if files is None else files.remove))
        run_loop(lambda: _serve(graph, options, files, signals))
    return EXIT_OK


def _open_files(graph: BoundGraph, stack: contextlib.ExitStack) -> RunFiles | None:
    if _HAS_RUN_FILES:
        from dynamo_core.inprocess.run_files import opened_files  # needs what only POSIX has

        return stack.enter_context(opened_files(graph))
    detail = "this platform has no unix sockets: 'dynamo ps', 'call' and 'stop' do not reach this run"
    graph.emit(ServiceEvent(kind="message", service=graph.entry.name, detail=detail))
    return None


def _nothing() -> None:
    """Clear up nothing."""


async def _serve(
    graph: BoundGraph, options: InProcessOptions, files: RunFiles | None, signals: StopSignals
) -> None:
    changed = _nothing if files is None else files.changed

    def emit(event: ServiceEvent) -> None:
        graph.emit(event)
        changed()

    stop = asyncio.Event()
    services = InProcessServices(
        attrs.evolve(graph, emit=emit),
        with_http=options.http is not False,
        run_id="" if files is None else files.run_id,
        make_ingresses=None if files is None else files.make_ingresses,
    )
    signals.connect(asyncio.get_running_loop(), stop.set, services.hurry)
    async with contextlib.nullcontext() if files is None else files.reachable(services, stop.set):
        try:
            if await unless(stop, services.start()):
                changed()
                await stop.wait()
        finally:
            await services.stop()
