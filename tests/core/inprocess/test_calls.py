"""Calls inside one process: what is not shared, and how they end when something goes."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator

import pytest

from dynamo_core import CallCancelledError, CallTimeoutError, current_call, endpoint, service, with_options
from dynamo_core.inprocess.calls import ItemPipe

from .running_for_tests import running

SEEN: contextvars.ContextVar[str] = contextvars.ContextVar("seen", default="nothing")


class Gate:
    """What an endpoint waits at."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self.left = asyncio.Event()

    async def wait(self) -> None:
        self.reached.set()
        try:
            await self.open.wait()
        finally:
            self.left.set()


GATES: dict[str, Gate] = {}


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    GATES["gate"] = Gate()
    yield GATES["gate"]
    del GATES["gate"]


@service(supervision={"stop_timeout_s": 0})
class Waiter:
    @endpoint
    async def context_variable(self) -> str:
        seen = SEEN.get()
        SEEN.set("the endpoint's")
        return seen

    @endpoint
    async def wait(self) -> str:
        await GATES["gate"].wait()
        return "done"

    @endpoint
    async def stubborn(self) -> str:
        """Does not let itself be cancelled."""
        while not GATES["gate"].open.is_set():
            try:
                await GATES["gate"].wait()
            except asyncio.CancelledError:
                continue
        return "done"

    @endpoint
    async def fail_after_cancellation(self) -> None:
        try:
            await GATES["gate"].wait()
        except asyncio.CancelledError:
            raise ValueError("too late to be heard") from None

    @endpoint
    async def items(self) -> AsyncIterator[int]:
        yield 1
        await GATES["gate"].wait()
        yield 2

    @endpoint
    async def name_of_call(self) -> str:
        call = current_call()
        return "" if call is None else call.endpoint


async def test_context_variables_are_not_shared():
    async with running(Waiter) as services:
        SEEN.set("the caller's")
        assert await services.client(Waiter).context_variable() == "nothing"
        assert SEEN.get() == "the caller's"


async def test_current_call_of_the_caller_is_untouched():
    async with running(Waiter) as services:
        assert await services.client(Waiter).name_of_call() == "name_of_call"
        assert current_call() is None


async def test_endpoint_that_swallows_its_cancellation_does_not_hold_its_caller(gate):
    async with running(Waiter) as services:
        with pytest.raises(CallTimeoutError):
            await with_options(services.client(Waiter), timeout_s=0.05).stubborn()
        assert not gate.open.is_set()
        gate.open.set()


async def test_cancelled_caller_does_not_wait_for_a_stubborn_endpoint(gate):
    async with running(Waiter) as services:
        call = asyncio.ensure_future(services.client(Waiter).stubborn())
        await gate.reached.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        gate.open.set()


async def test_failure_that_nobody_waits_for_is_not_left_behind(gate):
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with running(Waiter) as services:
        call = asyncio.ensure_future(services.client(Waiter).fail_after_cancellation())
        await gate.reached.wait()
        call.cancel()
        await gate.left.wait()
    assert complaints == []


async def test_stop_cancels_calls_that_take_too_long(gate):
    async with running(Waiter) as services:
        call = asyncio.ensure_future(services.client(Waiter).wait())
        await gate.reached.wait()
        await services.stop()
        with pytest.raises(CallCancelledError) as caught:
            await call
        assert (caught.value.service, caught.value.endpoint, caught.value.slot) == ("Waiter", "wait", 0)


async def test_stop_ends_streams_that_take_too_long(gate):
    async with running(Waiter) as services:
        items = services.client(Waiter).items()
        assert await anext(items) == 1
        await gate.reached.wait()
        await services.stop()
        with pytest.raises(CallCancelledError):
            await anext(items)


async def test_pipe_keeps_order_and_ends():
    pipe = ItemPipe()
    await pipe.put(b"a")
    await pipe.put(b"b")
    pipe.end()
    assert [await pipe.get() for _ in range(3)] == [b"a", b"b", b""]


async def test_pipe_holds_back_a_writer_that_is_too_far_ahead():
    pipe = ItemPipe()
    large = bytes(1024 * 1024)
    await pipe.put(large)
    waiting = asyncio.ensure_future(pipe.put(b"b"))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await pipe.get() == large
    await waiting
    assert await pipe.get() == b"b"


async def test_pipe_counts_small_items_too():
    pipe = ItemPipe()
    for _ in range(1024):
        await pipe.put(b"a")
    waiting = asyncio.ensure_future(pipe.put(b"b"))
    await asyncio.sleep(0)
    assert not waiting.done()
    await pipe.get()
    await waiting
