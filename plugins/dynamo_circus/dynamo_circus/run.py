"""Running a graph beside the program that asked for it: a supervisor process of its own, and a handle to it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dynamo_circus.arbiter_handle import ArbiterHandle
from dynamo_circus.plan import make_plan
from dynamo_circus.supervisor_process import SupervisorProcess
from dynamo_core.errors import StartError
from dynamo_core.supervision.environment import pick_secrets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dynamo_circus.options import CircusOptions
    from dynamo_circus.service import CircusService
    from dynamo_core.provider import BoundGraph


@contextlib.asynccontextmanager
async def run_services(graph: BoundGraph, options: CircusOptions) -> AsyncIterator[ArbiterHandle]:
    """Start a supervisor for *graph*, give a handle once every service is ready, and stop it in the end.

    Raises:
        StartError: A service did not start, or not in time.
        ServiceFailedError: A service failed later, and its policy ended the run.
        DynamoError: Nothing could be started.
    """
    plan = make_plan(graph, options)
    pick_secrets(os.environ, plan.services)  # what is missing is told before anything starts
    supervisor = await SupervisorProcess.start(plan, graph.emit)
    stop = functools.partial(_stop, supervisor, graph)
    try:
        arbiter = await _wait_ready(supervisor, graph, options)
    except BaseException:
        await asyncio.shield(stop())
        raise
    services = [cast("CircusService", service) for service in graph.services]
    try:
        for service in services:
            service.attach(arbiter)
        yield arbiter
    finally:
        for service in services:
            service.attach(None)
        await asyncio.shield(_end(arbiter, stop()))
    failure = supervisor.ended.result()
    if failure is not None:
        raise failure


async def _wait_ready(
    supervisor: SupervisorProcess, graph: BoundGraph, options: CircusOptions
) -> ArbiterHandle:
    limit_s = options.startup_timeout_s
    try:
        async with asyncio.timeout(limit_s):
            told = await asyncio.shield(supervisor.ready)
    except TimeoutError:
        raise StartError(graph.entry.name, f"the graph was not ready within {limit_s:g} s") from None
    arbiter = ArbiterHandle(graph, supervisor, told["run_id"], Path(told["control"]))
    supervisor.watch_members(arbiter.members_changed)
    return arbiter


async def _end(arbiter: ArbiterHandle, stopping: object) -> None:
    await arbiter.aclose()
    await stopping  # type: ignore[misc]


async def _stop(supervisor: SupervisorProcess, graph: BoundGraph) -> None:
    patience_s = max(service.config.supervision.stop_timeout_s for service in graph.services)
    await supervisor.stop(patience_s=patience_s, reason="the program has left the block")
