"""Work that is under way when its worker has to go: it is finished, and not for ever waited for."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from dynamo_core import CallError, ServiceConfig, with_options
from dynamo_core.graph import collect
from dynamo_core.testing.conformance.harness import Conformance, Provider, on_own_loop
from dynamo_core.testing.conformance.ledger import Ledger, note
from dynamo_core.testing.conformance.needs import needs
from dynamo_core.testing.conformance.services.frail import Frail

if TYPE_CHECKING:
    from dynamo_core.provider import RunningServices

SHORT_STOP_S: float = 0.5
ENOUGH_S: float = 15.0


class DrainConformance(Conformance):
    """What becomes of calls whose worker is told to go."""

    @needs("scale", "routing")
    @on_own_loop
    async def test_scaling_down_waits_for_calls(self, provider: Provider, ledger: Ledger) -> None:
        """The surplus worker finishes what it has begun."""
        graph = collect(Frail).with_configs({"Frail": ServiceConfig(workers=2)})
        async with provider.run(graph) as services, asyncio.TaskGroup() as tasks:
            surplus = with_options(services.client(Frail), routing=1)
            call = tasks.create_task(surplus.finish_slowly(str(ledger)))
            await ledger.wait_for("slow began")
            scaling = tasks.create_task(services.scale("Frail", 1))
            await _ready_slots(services, [0])
            assert not call.done()
            note(str(ledger), "go on")
            assert await call > 0
            await scaling

    @needs("rolling_restart")
    @on_own_loop
    async def test_restarting_waits_for_calls(self, provider: Provider, ledger: Ledger) -> None:
        """The old worker finishes what it has begun; new calls go to the new one meanwhile."""
        async with provider.run(collect(Frail)) as services, asyncio.TaskGroup() as tasks:
            call = tasks.create_task(services.client(Frail).finish_slowly(str(ledger)))
            await ledger.wait_for("slow began")
            restarting = tasks.create_task(services.restart("Frail"))
            async with asyncio.timeout(ENOUGH_S):
                while await _generation(services) < 2:
                    await services.client(Frail).pid()
            assert not call.done()
            note(str(ledger), "go on")
            assert await call > 0
            await restarting

    @needs("rolling_restart", "streams")
    @on_own_loop
    async def test_restarting_waits_for_streams(self, provider: Provider, ledger: Ledger) -> None:
        """A stream that has begun is finished by the worker that began it."""
        async with provider.run(collect(Frail)) as services, asyncio.TaskGroup() as tasks:
            stream = services.client(Frail).stream_slowly(str(ledger))
            assert await anext(stream) == 1
            second = tasks.create_task(_next(stream))
            await ledger.wait_for("slow began")
            restarting = tasks.create_task(services.restart("Frail"))
            note(str(ledger), "go on")
            assert await second == 2
            await restarting

    @on_own_loop
    async def test_stop_does_not_wait_for_ever(self, provider: Provider, ledger: Ledger) -> None:
        """A call that takes longer than ``supervision.stop_timeout_s`` is ended, and its caller learns of it."""
        config = ServiceConfig({"supervision": {"stop_timeout_s": SHORT_STOP_S}})
        graph = collect(Frail).with_configs({"Frail": config})
        async with provider.run(graph) as services:
            call = asyncio.ensure_future(services.client(Frail).never_finish(str(ledger)))
            await ledger.wait_for("never began")
            began = time.monotonic()
            await services.stop()
            assert time.monotonic() - began < ENOUGH_S
            with pytest.raises(CallError):
                await call


async def _next(stream: object) -> int:
    item: int = await anext(stream)  # type: ignore[call-overload]  # an async iterator
    return item


async def _generation(services: RunningServices) -> int:
    status = (await services.status()).find_service("Frail")
    assert status is not None
    return max((worker.generation for worker in status.workers), default=0)


async def _ready_slots(services: RunningServices, wanted: list[int]) -> None:
    """Wait until the slots that take calls are these."""
    async with asyncio.timeout(ENOUGH_S):
        while True:
            status = (await services.status()).find_service("Frail")
            assert status is not None
            if [worker.slot for worker in status.workers if worker.state == "ready"] == wanted:
                return
            await asyncio.sleep(0.01)
