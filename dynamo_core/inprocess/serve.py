"""``dynamo serve``: a graph is the whole purpose of this process, until a signal or ``dynamo stop`` ends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

import attrs

from dynamo_core.control import RunDirectory, sweep_dead_runs
from dynamo_core.control.server import ControlServer
from dynamo_core.errors import EXIT_OK
from dynamo_core.inprocess.report import RunCommands, StateReport
from dynamo_core.inprocess.running import InProcessServices
from dynamo_core.inprocess.slot_sockets import SlotSockets
from dynamo_core.inprocess.stop_signals import StopSignals
from dynamo_core.inprocess.unless import unless
from dynamo_core.worker_kit.supervised import run_loop

if TYPE_CHECKING:
    from dynamo_core.inprocess.options import InProcessOptions
    from dynamo_core.provider import BoundGraph, ServiceEvent

logger = logging.getLogger(__name__)


def serve_services(graph: BoundGraph, options: InProcessOptions) -> int:
    """Serve *graph*: over HTTP, and to other processes of this user through the run's sockets.

    Args:
        graph: What to run.
        options: What the caller asked of this provider.

    Returns:
        The exit code of a run that was asked to stop.

    Raises:
        StartError: A service did not start; everything has been stopped again.
        DynamoError: The run directory, a socket or an address cannot be had.
    """
    sweep_dead_runs()
    with RunDirectory.create() as directory, StopSignals(directory.remove) as signals:
        run_loop(lambda: _serve(graph, options, directory, signals))
    return EXIT_OK


async def _serve(
    graph: BoundGraph, options: InProcessOptions, directory: RunDirectory, signals: StopSignals
) -> None:
    stop = asyncio.Event()

    def emit(event: ServiceEvent) -> None:
        graph.emit(event)
        report.changed()

    services = InProcessServices(
        attrs.evolve(graph, emit=emit),
        with_http=options.http is not False,
        run_id=directory.run_id,
        make_ingresses=SlotSockets(graph, directory).ingresses,
    )
    report = StateReport(services, directory, str(graph.entry.definition.target))
    signals.connect(asyncio.get_running_loop(), stop.set, services.hurry)
    reporting = asyncio.ensure_future(report.keep_written())
    try:
        async with ControlServer(RunCommands(services, stop.set), directory):
            try:
                if await unless(stop, services.start()):
                    report.changed()
                    await stop.wait()
            finally:
                report.changed()
                await services.stop()
    finally:
        reporting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reporting
