"""Workers that die: what becomes of their slot, of calls, and of everybody else."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from dynamo_core import CallError, ServiceConfig, WorkerLostError, with_options
from dynamo_core.graph import collect
from dynamo_core.testing.conformance.harness import Conformance, Provider, on_own_loop
from dynamo_core.testing.conformance.ledger import Ledger
from dynamo_core.testing.conformance.needs import needs
from dynamo_core.testing.conformance.services.frail import Frail, Observer

if TYPE_CHECKING:
    from dynamo_core.provider import RunningServices, ServiceEvent

PATIENCE_S: float = 20.0


@needs("restart", "isolation")
class RestartConformance(Conformance):
    """What a user can rely on when a worker dies."""

    @on_own_loop
    async def test_dead_worker_is_replaced(self, provider: Provider) -> None:
        """Another process takes its slot, and the run is ready again."""
        async with provider.run(collect(Frail)) as services:
            before = await _isolated_pid(services)
            await _kill(services)
            assert await _new_pid(services, before) != before
            await services.wait_ready(PATIENCE_S)
            status = (await services.status()).find_service("Frail")
            assert status is not None
            assert [(worker.slot, worker.state) for worker in status.workers] == [(0, "ready")]

    @on_own_loop
    async def test_caller_of_a_dying_worker_learns_of_it(self, provider: Provider) -> None:
        """A call that had begun, and may not be made again, ends with WorkerLostError."""
        async with provider.run(collect(Frail)) as services:
            await _isolated_pid(services)
            with pytest.raises(WorkerLostError) as caught:
                await services.client(Frail).die()
            assert (caught.value.service, caught.value.slot, caught.value.begun) == ("Frail", 0, True)

    @needs("streams")
    @on_own_loop
    async def test_stream_of_a_dying_worker_does_not_look_complete(self, provider: Provider) -> None:
        """What was sent arrives, and then the error does."""
        async with provider.run(collect(Frail)) as services:
            await _isolated_pid(services)
            items = services.client(Frail).die_after(3)
            assert [await anext(items) for _ in range(3)] == [0, 1, 2]
            with pytest.raises(WorkerLostError):
                await anext(items)

    @on_own_loop
    async def test_idempotent_call_is_made_again(self, provider: Provider, ledger: Ledger) -> None:
        """Its caller notices nothing, even where there is no other worker."""
        async with provider.run(collect(Frail)) as services:
            before = await _isolated_pid(services)
            assert await services.client(Frail).die_once(str(ledger)) != before
            assert ledger.lines() == ["died"]

    @on_own_loop
    async def test_other_workers_take_its_calls(self, provider: Provider) -> None:
        """Calls that had not begun on the dead one lose nothing."""
        graph = collect(Frail).with_configs({"Frail": ServiceConfig(workers=2)})
        async with provider.run(graph) as services:
            await _isolated_pid(services)
            frail = services.client(Frail)
            other = await with_options(frail, routing=1).pid()
            with pytest.raises(WorkerLostError):
                await with_options(frail, routing=0).die()
            assert other in [await frail.pid() for _ in range(20)]

    @on_own_loop
    async def test_services_that_depend_on_it_go_on(self, provider: Provider) -> None:
        """They keep their process, and reach the replacement."""
        async with provider.run(collect(Observer)) as services:
            observer = services.client(Observer)
            own, before = await observer.pid(), await observer.frail_pid()
            await _kill(services)
            after = await _new_pid(services, before)
            assert await _patiently(observer.frail_pid) == after
            assert await observer.pid() == own

    @on_own_loop
    async def test_death_is_told(self, provider: Provider) -> None:
        """An event says which worker died, and a later one that its slot is ready again."""
        heard: list[ServiceEvent] = []
        async with provider.run(collect(Frail), heard.append) as services:
            before = await services.client(Frail).pid()
            await _kill(services)
            await _new_pid(services, before)
            await services.wait_ready(PATIENCE_S)
        kinds = [event.kind for event in heard if event.slot == 0]
        assert "died" in kinds
        assert "ready" in kinds[kinds.index("died") :]

    @on_own_loop
    async def test_worker_that_dies_again_and_again_is_replaced_each_time(self, provider: Provider) -> None:
        """Three deaths in a row do not end the run."""
        async with provider.run(collect(Frail)) as services:
            for _ in range(3):
                before = await _patiently(services.client(Frail).pid)
                await _kill(services)
                await _new_pid(services, before)

    @needs("on_failure")
    @on_own_loop
    async def test_service_is_given_up_where_its_policy_says_so(self, provider: Provider) -> None:
        """``isolate``: past its limit a service is failed and gets no calls; the others go on."""
        limits = {"on_failure": "isolate", "max_failures": 1, "stable_time_s": 60}
        graph = collect(Observer).with_configs({"Frail": ServiceConfig({"supervision": limits})})
        async with provider.run(graph) as services:
            await _kill(services)
            async with asyncio.timeout(PATIENCE_S):
                while await _state(services, "Frail") != "failed":
                    await asyncio.sleep(0.05)
            with pytest.raises(CallError):
                await with_options(services.client(Frail), timeout_s=1).pid()
            assert await services.client(Observer).pid() > 0
            assert await _state(services, "Observer") == "ready"

    @needs("watchdog")
    @on_own_loop
    async def test_worker_that_hangs_is_replaced(self, provider: Provider) -> None:
        """One whose event loop does not go on for ``watchdog_s``; its caller learns that it is lost."""
        config = ServiceConfig({"supervision": {"watchdog_s": 1.0}})
        graph = collect(Frail).with_configs({"Frail": config})
        async with provider.run(graph) as services:
            before = await _isolated_pid(services)
            with pytest.raises(WorkerLostError):
                await services.client(Frail).hang()
            assert await _new_pid(services, before) != before


async def _state(services: RunningServices, service: str) -> str:
    found = (await services.status()).find_service(service)
    assert found is not None
    return found.state


async def _isolated_pid(services: RunningServices) -> int:
    """The worker's process, which must be another one than this: else killing it would end the tests."""
    pid = await services.client(Frail).pid()
    assert pid != os.getpid(), "its workers are no processes of their own, and it claims 'isolation'"
    return pid


async def _kill(services: RunningServices) -> None:
    await _isolated_pid(services)
    with pytest.raises(WorkerLostError):
        await services.client(Frail).die()


async def _patiently(call: object) -> int:
    """Make a call until it is answered; between two workers it may be refused."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                answer: int = await call()  # type: ignore[operator]  # an endpoint without arguments
            except CallError:
                await asyncio.sleep(0.05)
            else:
                return answer


async def _new_pid(services: RunningServices, before: int) -> int:
    """The process of the replacement."""
    async with asyncio.timeout(PATIENCE_S):
        while (now := await _patiently(services.client(Frail).pid)) == before:
            await asyncio.sleep(0.05)
    return now
