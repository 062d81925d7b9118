"""Running a graph beside the program that asked for it: a supervisor on a thread of its own, and a handle to it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

from dynamo_bentoml.notices import tell_notices
from dynamo_bentoml.plan import make_plan
from dynamo_bentoml.run_handle import BentoMLRun
from dynamo_bentoml.supervisor_thread import SupervisorThread
from dynamo_core.errors import StartError
from dynamo_core.logs.printing import LinePrinter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dynamo_bentoml.options import BentoMLOptions
    from dynamo_bentoml.service import BentoMLService
    from dynamo_core.provider import BoundGraph


@contextlib.asynccontextmanager
async def run_services(graph: BoundGraph, options: BentoMLOptions) -> AsyncIterator[BentoMLRun]:
    """Start a supervisor for *graph*, give a handle once every service is ready, and stop it in the end.

    Raises:
        StartError: A service did not start, or not in time.
        ServiceFailedError: A service failed later, and its policy ended the run.
        DynamoError: Nothing could be started.
    """
    plan = make_plan(graph, options)
    tell_notices(graph)
    with contextlib.ExitStack() as stack:
        show_lines = graph.show_lines
        if show_lines is None:
            printer = LinePrinter(is_json=options.log_format == "json")
            show_lines = stack.enter_context(contextlib.closing(printer)).show
        async with _running(SupervisorThread(plan, graph.emit, show_lines), graph, options) as run:
            yield run


@contextlib.asynccontextmanager
async def _running(
    supervisor: SupervisorThread, graph: BoundGraph, options: BentoMLOptions
) -> AsyncIterator[BentoMLRun]:
    """The handle to a run, once it is ready; the run is stopped in the end, whatever happened."""
    try:
        run = await _wait_ready(supervisor, graph, options)
    except BaseException:
        await asyncio.shield(supervisor.stop("it was not started"))
        raise
    services = [cast("BentoMLService", service) for service in graph.services]
    try:
        for service in services:
            service.attach(run)
        yield run
    finally:
        for service in services:
            service.attach(None)
        await asyncio.shield(_end(run, supervisor))
    failure = supervisor.ended.result()
    if failure is not None:
        raise failure


async def _wait_ready(supervisor: SupervisorThread, graph: BoundGraph, options: BentoMLOptions) -> BentoMLRun:
    limit_s = options.startup_timeout_s
    try:
        async with asyncio.timeout(limit_s):
            ready = await asyncio.shield(supervisor.ready)
    except TimeoutError:
        raise StartError(graph.entry.name, f"the graph was not ready within {limit_s:g} s") from None
    run = BentoMLRun(graph, supervisor, ready.run_id, ready.control_path)
    supervisor.watch_members(run.members_changed)
    return run


async def _end(run: BentoMLRun, supervisor: SupervisorThread) -> None:
    await run.aclose()
    await supervisor.stop("the program has left the block")
