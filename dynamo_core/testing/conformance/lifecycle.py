"""Starting and stopping a run: in which order, and what happens when it goes wrong."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

import pytest

from dynamo_core import CallError, CallTimeoutError
from dynamo_core.errors import StartError
from dynamo_core.graph import collect
from dynamo_core.testing.conformance.harness import (
    Conformance,
    OpenRun,
    Provider,
    on_loop,
    on_own_loop,
    with_settings,
)
from dynamo_core.testing.conformance.ledger import Ledger, note
from dynamo_core.testing.conformance.needs import needs
from dynamo_core.testing.conformance.services.life import (
    Broken,
    Cellar,
    Gated,
    House,
    NeverReady,
    Unbuildable,
)

if TYPE_CHECKING:
    from pathlib import Path

    from dynamo_core.provider import ServiceEvent

STARTED = [
    "Cellar init",
    "Cellar on_start",
    "Cellar async_on_start",
    "House init",
    "House async_on_start stored coal",
]
STOPPED = ["House on_shutdown stored ashes", "Cellar on_shutdown 2", "Cellar on_shutdown 1"]


class LifecycleConformance(Conformance):
    """What a service can rely on from its start to its end."""

    entry: ClassVar[type] = House

    @on_own_loop
    async def test_services_start_after_what_they_depend_on(self, provider: Provider, ledger: Ledger) -> None:
        """Instances and start hooks come dependencies first; a start hook may call a dependency."""
        async with provider.run(with_settings(collect(House), ledger=ledger)):
            assert ledger.lines() == STARTED

    @on_own_loop
    async def test_services_stop_before_what_they_depend_on(self, provider: Provider, ledger: Ledger) -> None:
        """Stop hooks come in reverse, and may still call a dependency; all have run when the block is left."""
        async with provider.run(with_settings(collect(House), ledger=ledger)):
            pass
        assert ledger.lines() == STARTED + STOPPED

    @on_own_loop
    async def test_stop_may_be_called_before_the_block_is_left(
        self, provider: Provider, ledger: Ledger
    ) -> None:
        """``stop`` ends the run once, however often it is called."""
        async with provider.run(with_settings(collect(House), ledger=ledger)) as services:
            await asyncio.gather(services.stop(reason="test"), services.stop())
            assert ledger.lines() == STARTED + STOPPED
            await services.stop()
        assert ledger.lines() == STARTED + STOPPED

    @on_own_loop
    async def test_stop_waits_for_calls(self, provider: Provider, ledger: Ledger, tmp_path: Path) -> None:
        """A call that is under way is finished, and its caller gets the answer."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()

        def hear(event: ServiceEvent) -> None:
            if event.kind == "stopping" and event.service == "Cellar":
                loop.call_soon_threadsafe(stopping.set)

        graph = with_settings(collect(Cellar), ledger=ledger)
        calls = Ledger(tmp_path / "calls")
        async with provider.run(graph, hear) as services, asyncio.TaskGroup() as tasks:
            call = tasks.create_task(services.client(Cellar).finish_slowly(str(calls)))
            await calls.wait_for("slow began")
            stop = tasks.create_task(services.stop())
            await stopping.wait()
            assert not call.done()
            assert "Cellar on_shutdown 1" not in ledger.lines()
            note(str(calls), "go on")
            assert await call == "finished"
            await stop
        assert ledger.lines()[-1] == "Cellar on_shutdown 1"

    @on_own_loop
    async def test_ended_run_takes_no_calls(self, provider: Provider) -> None:
        """A client that outlives its run gets an error, and does not hang."""
        async with provider.run(collect(Cellar)) as services:
            cellar = services.client(Cellar)
            assert await cellar.store("coal") == "stored coal"
        with pytest.raises(CallError) as caught:
            async with asyncio.timeout(10):
                await cellar.store("coal")
        assert not isinstance(caught.value, CallTimeoutError)

    @on_own_loop
    async def test_a_graph_can_be_run_again(self, provider: Provider, ledger: Ledger) -> None:
        """A second run is a new one."""
        graph = with_settings(collect(House), ledger=ledger)
        for _ in range(2):
            async with provider.run(graph) as services:
                assert await services.client(House).store("wood") == "stored wood"
        assert ledger.lines() == (STARTED + STOPPED) * 2

    @on_own_loop
    async def test_error_of_the_block_leaves_it(self, provider: Provider, ledger: Ledger) -> None:
        """What the block raises is what leaves it; the run is stopped all the same."""
        with pytest.raises(ZeroDivisionError):
            async with provider.run(with_settings(collect(House), ledger=ledger)):
                raise ZeroDivisionError
        assert ledger.lines() == STARTED + STOPPED

    @on_own_loop
    async def test_failed_start_names_the_culprit(self, provider: Provider, ledger: Ledger) -> None:
        """The error has the service and its last words; what had been started is stopped again."""
        with pytest.raises(StartError) as caught:
            async with provider.run(with_settings(collect(Broken), ledger=ledger)):
                raise AssertionError("the run was given out")
        assert caught.value.service == "Broken"
        assert "the stove is broken" in _last_words(caught.value)
        assert ledger.lines() == [*STARTED[:3], *STOPPED[1:]]

    @on_own_loop
    async def test_failed_constructor_names_the_culprit(self, provider: Provider) -> None:
        """The same for a constructor."""
        with pytest.raises(StartError) as caught:
            async with provider.run(collect(Unbuildable)):
                raise AssertionError("the run was given out")
        assert caught.value.service == "Unbuildable"
        assert "no building permission" in _last_words(caught.value)

    @on_own_loop
    async def test_start_that_takes_too_long_fails(self, provider: Provider) -> None:
        """``supervision.startup_timeout_s`` ends a start."""
        with pytest.raises(StartError) as caught:
            async with provider.run(collect(NeverReady)):
                raise AssertionError("the run was given out")
        assert caught.value.service == "NeverReady"

    @on_own_loop
    async def test_run_waits_for_readiness(self, provider: Provider, ledger: Ledger, tmp_path: Path) -> None:
        """A run is given out once every readiness hook says yes."""
        gate = tmp_path / "gate"
        entered = asyncio.Event()

        async def enter() -> str:
            async with provider.run(with_settings(collect(Gated), ledger=ledger, gate=gate)) as services:
                entered.set()
                answer: str = await services.client(Gated).enter()
                return answer

        entering = asyncio.ensure_future(enter())
        await ledger.wait_for("Gated looked", times=2)
        assert not entered.is_set()
        gate.touch()
        assert await entering == "inside"

    @on_own_loop
    async def test_events_tell_of_each_service(self, provider: Provider) -> None:
        """Whoever listens hears of every service's start, readiness and end, in order."""
        heard: list[tuple[str, str]] = []
        async with provider.run(
            collect(House), lambda event: heard.append((event.kind, event.service))
        ) as services:
            await services.wait_ready(10)
            assert ("ready", "Cellar") in heard
            assert heard.index(("ready", "Cellar")) < heard.index(("ready", "House"))
            assert not any(kind in {"stopping", "stopped"} for kind, _ in heard)
        for service in ("Cellar", "House"):
            assert ("stopped", service) in heard
        assert heard.index(("stopped", "House")) < heard.index(("stopped", "Cellar"))

    @on_loop
    async def test_context_is_injected(self, run: OpenRun) -> None:
        """A service knows its name, slot, run and graph."""
        service, slot, run_id, graph = await run.client(House).describe()
        assert (service, slot, graph) == ("House", "0", "House")
        assert run_id

    @on_loop
    async def test_status_tells_of_every_worker(self, run: OpenRun) -> None:
        """Names, states and slots, dependencies first."""
        await run.services.wait_ready(10)
        status = await run.services.status()
        assert (status.graph, status.provider, status.state) == ("House", run.provider.name, "ready")
        assert [service.name for service in status.services] == ["Cellar", "House"]
        for service in status.services:
            assert service.state == "ready"
            assert [(worker.slot, worker.state) for worker in service.workers] == [(0, "ready")]

    @needs("logs")
    @on_loop
    async def test_lines_of_workers_can_be_read(self, run: OpenRun) -> None:
        """What a worker writes is in the run's logs, with its service and slot."""
        await run.client(Cellar).say("from the cellar")
        lines = run.services.logs("Cellar")
        async with asyncio.timeout(10):
            async for line in lines:
                if line.text == "from the cellar":
                    assert (line.service, line.slot) == ("Cellar", 0)
                    break
        await lines.aclose()  # type: ignore[attr-defined]  # an async generator, declared as what it iterates


def _last_words(error: StartError) -> str:
    return "\n".join([error.cause, *error.last_lines])
