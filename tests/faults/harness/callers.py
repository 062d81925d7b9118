"""Callers of a service that know nothing of each other, each with connections of its own."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from dynamo_core.client import make_client
from dynamo_core.transport import Member, SlotChannel, TransportLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from dynamo_core.definition import ServiceDefinition
    from harness.run import Run

LIMITS = TransportLimits()


@contextlib.asynccontextmanager
async def callers(
    definition: ServiceDefinition,
    members: Sequence[Member],
    run_id: str,
    *,
    count: int = 1,
    limits: TransportLimits = LIMITS,
) -> AsyncIterator[list[Any]]:
    """So many clients of one service, for workers anywhere."""
    loop = asyncio.get_running_loop()
    channels = [SlotChannel(definition.name, run_id=run_id, limits=limits) for _ in range(count)]
    try:
        for channel in channels:
            channel.set_members(members)
        yield [make_client(definition.inner, definition, channel, loop) for channel in channels]
    finally:
        for channel in channels:
            await channel.aclose()


async def members_of(run: Run, service: str) -> list[Member]:
    """Where the workers of a service of a run are now."""
    return [
        Member(slot=worker.slot, path=str(worker.path), generation=worker.generation)
        for worker in await run.workers(service)
    ]
