"""Which worker of a service gets a call."""

from __future__ import annotations

import asyncio

import pytest

from dynamo_core import ServiceUnavailableError, current_call, endpoint, service, with_options

from .running_for_tests import running


@service(workers=3)
class Crew:
    @endpoint
    async def slot(self) -> int:
        call = current_call()
        return -1 if call is None else call.slot

    @endpoint
    async def hold(self) -> None:
        await asyncio.Event().wait()


async def test_round_robin_goes_from_slot_to_slot():
    async with running(Crew) as services:
        crew = services.client(Crew)
        assert [await crew.slot() for _ in range(6)] == [0, 1, 2, 0, 1, 2]


async def test_random_routing_reaches_every_worker():
    async with running(Crew) as services:
        crew = with_options(services.client(Crew), routing="random")
        assert {await crew.slot() for _ in range(200)} == {0, 1, 2}


async def test_least_loaded_routing_avoids_busy_workers():
    async with running(Crew) as services:
        crew = services.client(Crew)
        held = [asyncio.ensure_future(with_options(crew, routing=slot).hold()) for slot in (0, 2)]
        await asyncio.sleep(0)
        idle = with_options(crew, routing="least_loaded")
        assert [await idle.slot() for _ in range(4)] == [1] * 4
        for call in held:
            call.cancel()
        await asyncio.gather(*held, return_exceptions=True)


async def test_missing_slot_is_told_with_those_there_are():
    async with running(Crew) as services:
        with pytest.raises(ServiceUnavailableError, match="slot 3; slots: 0, 1, 2"):
            await with_options(services.client(Crew), routing=3).slot()


async def test_service_without_workers_is_unavailable_at_once():
    async with running(Crew) as services:
        await services.scale("Crew", 0)
        with pytest.raises(ServiceUnavailableError, match="no worker"):
            await services.client(Crew).slot()
        await services.scale("Crew", 1)
        assert await services.client(Crew).slot() == 0


async def test_ended_run_is_unavailable():
    async with running(Crew) as services:
        crew = services.client(Crew)
    with pytest.raises(ServiceUnavailableError, match="run has ended"):
        await crew.slot()
