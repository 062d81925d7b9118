"""``dynamo serve`` for a run of workers: this process looks after them until it is told to stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dynamo_core.control import RunDirectory, sweep_dead_runs
from dynamo_core.errors import EXIT_OK
from dynamo_core.host.unless import unless
from dynamo_core.supervision.stop_signals import StopSignals
from dynamo_core.worker_run.launcher import check_graph
from dynamo_core.worker_run.run import WorkerRun

if TYPE_CHECKING:
    from dynamo_core.provider.bound import BoundGraph
    from dynamo_core.worker_run.engine import Engine


def serve_workers(graph: BoundGraph, engine: Engine, *, provider: str) -> int:
    """Run *graph* until a signal or ``dynamo stop`` ends it; what the hook ``serve_services`` may return.

    A second signal ends its workers without waiting for calls.

    Args:
        graph: What to run.
        engine: Starts workers.
        provider: Name of the provider, for the status of the run.

    Returns:
        The exit code of a run that was asked to stop.

    Raises:
        StartError: A service did not start; everything has been stopped again.
        DynamoError: A socket, an address or the run's directory cannot be had, or the graph cannot be run so.
    """
    with StopSignals(_nothing) as signals:
        asyncio.run(_serve(graph, engine, provider, signals))
    return EXIT_OK


async def _serve(graph: BoundGraph, engine: Engine, provider: str, signals: StopSignals) -> None:
    check_graph(graph, provider)
    sweep_dead_runs()
    stop = asyncio.Event()
    with RunDirectory.create() as directory:
        run = WorkerRun(graph, engine, directory, provider=provider)
        run.on_stop_request(stop.set)
        signals.connect(asyncio.get_running_loop(), stop.set, run.hurry)
        try:
            if await unless(stop, run.start()):
                await stop.wait()
        finally:
            await run.stop()


def _nothing() -> None:
    """Clear up nothing: workers end themselves once this process is gone."""
