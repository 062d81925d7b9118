"""A host's life: what is on the instance when, its hooks, readiness, draining, and the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dynamo_core import (
    ServiceContext,
    async_on_start,
    depends,
    endpoint,
    liveness,
    on_shutdown,
    on_start,
    readiness,
    service,
)
from dynamo_core.errors import CallCancelledError, ServiceUnavailableError
from dynamo_core.host import Host

from .hosting_for_tests import call, eventually, hosting, make_host, stream


@service
class Needed:
    @endpoint
    async def ping(self) -> str:
        return "pong"


class Base:
    def __init__(self) -> None:
        self.events: list[Any] = []

    @on_start
    def base_start(self) -> None:
        self.events.append("base_start")

    @on_shutdown
    def base_stop(self) -> None:
        self.events.append("base_stop")


@service
class Service(Base):
    context: ServiceContext
    needed = depends(Needed)

    def __init__(self) -> None:
        super().__init__()
        self.events.append(("init", self.needed, threading.current_thread(), asyncio.get_running_loop()))

    @async_on_start
    async def own_async_start(self) -> None:
        self.events.append("own_async_start")

    @on_start
    def own_start(self) -> None:
        self.events.append(("own_start", threading.current_thread()))

    @on_shutdown
    async def own_stop(self) -> None:
        self.events.append("own_stop")

    @endpoint
    async def ping(self) -> str:
        return "pong"


async def test_clients_and_context_are_there_before_init_which_runs_on_the_loop() -> None:
    client = object()
    async with hosting(Service, clients={"needed": client}, slot=5) as host:
        name, seen, thread, loop = host.instance.events[0]
        assert name == "init"
        assert seen is client
        assert thread is threading.current_thread()
        assert loop is asyncio.get_running_loop()
        context = host.instance.context
        assert (context.service, context.slot, context.run_id, context.graph) == (
            "Service",
            5,
            "run-1",
            "tests",
        )
        assert context.config is host.config
    assert isinstance(vars(Service)["needed"], type(depends(Needed)))


async def test_start_hooks_run_bases_first_and_blocking_ones_in_a_thread() -> None:
    async with hosting(Service, clients={"needed": None}) as host:
        events = host.instance.events[1:]
        thread = events[1][1]
        assert events == ["base_start", ("own_start", thread), "own_async_start"]
        assert thread is not threading.current_thread()


async def test_shutdown_hooks_run_in_reverse_order_and_once() -> None:
    async with hosting(Service, clients={"needed": None}) as host:
        events = host.instance.events
    await asyncio.gather(host.stop(), host.stop())
    assert events[-2:] == ["own_stop", "base_stop"]


@service
class LeftOut:
    needed = depends(Needed)

    @endpoint
    async def ask(self) -> str:
        return await self.needed.ping()


async def test_an_edge_that_leads_nowhere_says_so_when_it_is_used() -> None:
    async with hosting(LeftOut) as host:
        with pytest.raises(ServiceUnavailableError, match=r"LeftOut\.needed leads to no service"):
            await call(host, "ask")


class InitError(Exception):
    pass


@service
class Failing:
    where = ""
    stops: list[str] = []

    def __init__(self) -> None:
        self._fail("init")

    def _fail(self, where: str) -> None:
        if self.where == where:
            raise InitError(where)

    @on_start
    def start(self) -> None:
        self._fail("start")

    @async_on_start
    async def async_start(self) -> None:
        self._fail("async_start")

    @on_shutdown
    def stop(self) -> None:
        self.stops.append("stop")

    @endpoint
    async def ping(self) -> str:
        return "pong"


@pytest.mark.parametrize("where", ["init", "start", "async_start"])
async def test_a_failing_start_raises_the_users_exception_as_it_is(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its traceback leads to the user's line; no shutdown hook runs, no thread is left, nothing is served."""
    monkeypatch.setattr(Failing, "where", where)
    host = make_host(Failing)
    with pytest.raises(InitError, match=where) as caught:
        await host.start()
    assert [entry.name for entry in caught.traceback][-1] == "_fail"
    await host.stop()
    assert Failing.stops == []
    assert host.threads == 0
    assert not await host.is_alive()
    with pytest.raises(ServiceUnavailableError):
        await call(host, "ping")
    with pytest.raises(RuntimeError, match="cannot be started"):
        await host.start()


async def test_stopping_in_the_middle_of_a_start_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    @async_on_start
    async def wait(self: Failing) -> None:
        begun.set()
        await go_on.wait()

    monkeypatch.setattr(Failing, "async_start", wait)
    host = make_host(Failing)
    starting = asyncio.create_task(host.start())
    await begun.wait()
    await host.stop()
    go_on.set()
    with pytest.raises(RuntimeError, match="stopped while it was starting"):
        await starting
    assert not await host.is_ready()
    assert host.threads == 0


@service
class Checked:
    def __init__(self) -> None:
        self.ready: Any = True
        self.alive: Any = True
        self.asked = 0
        self.go_on = threading.Event()
        self.go_on.set()

    @readiness
    def check_ready(self) -> Any:
        self.asked += 1
        self.go_on.wait()
        return self._answer(self.ready)

    @liveness
    async def check_alive(self) -> Any:
        return self._answer(self.alive)

    def _answer(self, answer: Any) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("answer", "holds"),
    [
        (True, True),
        (None, True),
        (1, True),
        (False, False),
        (0, False),
        (OSError("x"), False),
        (SystemExit(), False),
    ],
)
async def test_checks_ask_their_hooks(answer: object, holds: bool, caplog: pytest.LogCaptureFixture) -> None:
    """False or an exception is no; a hook that returns nothing has nothing to complain about."""
    async with hosting(Checked) as host:
        host.instance.ready = host.instance.alive = answer
        assert await host.is_ready() is holds
        assert await host.is_alive() is holds
        assert bool(caplog.records) is isinstance(answer, BaseException)
    assert not await host.is_ready()
    assert not await host.is_alive()


async def test_a_service_without_checks_is_ready_while_it_runs() -> None:
    host = make_host(Needed)
    assert not await host.is_ready()
    await host.start()
    assert await host.is_ready()
    assert await host.is_alive()
    await host.stop()
    assert not await host.is_ready()


async def test_a_check_that_hangs_takes_one_thread_however_often_it_is_asked() -> None:
    async with hosting(Checked) as host:
        host.instance.go_on.clear()
        asking = [asyncio.create_task(host.is_ready()) for _ in range(10)]
        await eventually(lambda: host.instance.asked)
        asking[0].cancel()
        host.instance.go_on.set()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert answers[1:] == [True] * 9
        assert host.instance.asked == 1


@service
class Busy:
    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on_in_thread = threading.Event()
        self.ended: list[str] = []

    @endpoint
    async def work(self) -> str:
        self.begun.set()
        try:
            await self.go_on.wait()
        finally:
            self.ended.append("work")
        return "done"

    @endpoint
    async def items(self) -> AsyncIterator[int]:
        try:
            yield 1
            self.begun.set()
            await self.go_on.wait()
            yield 2
        finally:
            self.ended.append("items")

    @endpoint
    def block(self) -> str:
        self.ended.append("begun")
        self.go_on_in_thread.wait()
        return "done"

    @on_shutdown
    def stop(self) -> None:
        self.ended.append("stop")

    @on_shutdown
    def failing_stop(self) -> None:
        raise SystemExit("not now")


async def test_draining_waits_for_running_calls_and_takes_new_ones() -> None:
    async with hosting(Busy) as host:
        running = asyncio.create_task(call(host, "work"))
        await host.instance.begun.wait()
        assert not await host.drain(0)
        draining = asyncio.create_task(host.drain(10))
        await asyncio.sleep(0)
        late = asyncio.create_task(call(host, "work"))
        await asyncio.sleep(0)
        host.instance.go_on.set()
        assert await draining
        assert await running == await late == "done"


async def test_stopping_cancels_what_is_left_before_the_shutdown_hooks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Callers are told that the worker did it; a stream that nobody steps is closed too."""
    host = make_host(Busy)
    await host.start()
    running = asyncio.create_task(call(host, "work"))
    await host.instance.begun.wait()
    host.instance.begun.clear()
    idle, stepping = stream(host, "items"), stream(host, "items")
    assert await anext(idle) == await anext(stepping) == 1
    step = asyncio.ensure_future(anext(stepping))
    await host.instance.begun.wait()
    await host.stop()
    for task in (running, step):
        with pytest.raises(CallCancelledError):
            await task
    assert sorted(host.instance.ended[:3]) == ["items", "items", "work"]
    assert host.instance.ended[3:] == ["stop"]
    assert "failing_stop" in caplog.text
    with pytest.raises(CallCancelledError):
        await anext(idle)


async def test_stopping_does_not_wait_for_a_thread_that_is_stuck() -> None:
    host = make_host(Busy)
    await host.start()
    running = asyncio.create_task(call(host, "block"))
    await eventually(lambda: "begun" in host.instance.ended)
    await host.stop()
    with pytest.raises(CallCancelledError):
        await running
    assert host.threads == 1
    host.instance.go_on_in_thread.set()


async def test_threads_end_with_the_host() -> None:
    before = set(threading.enumerate())
    async with hosting(Busy) as host:
        host.instance.go_on_in_thread.set()
        await asyncio.gather(*(call(host, "block") for _ in range(10)))
        assert set(threading.enumerate()) - before
    assert not set(threading.enumerate()) - before


def test_a_host_shows_what_it_is() -> None:
    host: Host = make_host(Needed)
    assert repr(host) == "<Host Needed/3 new>"
    assert repr(host.endpoints[0]) == "<HostedEndpoint Needed.ping>"
