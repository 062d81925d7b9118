"""Streams: items, their end, what an early end does, and the threads of generators."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from dynamo_core import endpoint, service
from dynamo_core.errors import CallCancelledError, CallTimeoutError, RemoteCallError
from dynamo_core.host import CallContext, current_call
from dynamo_core.host.thread_stream import MAX_AHEAD

from .hosting_for_tests import call, context_of, eventually, hosting, stream


@service(name="Backend")
class Service:
    def __init__(self) -> None:
        self.ended: list[str] = []
        self.made = 0
        self.context: CallContext | None = None
        self.go_on = threading.Event()
        self.threads: set[str] = set()
        self.closing_error: Exception | None = None

    def _close(self, name: str) -> None:
        self.threads.add(threading.current_thread().name)
        self.ended.append(name)
        if self.closing_error is not None:
            raise self.closing_error

    @endpoint
    async def count(self, upto: int) -> AsyncIterator[int]:
        self.context = current_call()
        try:
            for number in range(upto):
                yield number
        finally:
            self._close("count")

    @endpoint
    def count_in_thread(self, upto: int) -> Iterator[int]:
        self.context = current_call()
        try:
            for number in range(upto):
                self.threads.add(threading.current_thread().name)
                self.made += 1
                yield number
        finally:
            self._close("count_in_thread")

    @endpoint
    async def wait(self) -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
            yield 2
        finally:
            self._close("wait")

    @endpoint
    def block(self) -> Iterator[int]:
        self.context = current_call()
        try:
            yield 1
            self.go_on.wait()
            yield 2
        finally:
            self._close("block")

    @endpoint
    async def fail(self, error: str) -> AsyncIterator[int]:
        yield 1
        raise _ERRORS[error]

    @endpoint
    def fail_in_thread(self, error: str) -> Iterator[int]:
        yield 1
        raise _ERRORS[error]

    @endpoint
    async def look(self) -> AsyncIterator[Any]:
        yield current_call()
        yield current_call()

    @endpoint
    async def stubborn(self) -> AsyncIterator[int]:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        yield 1


_ERRORS: dict[str, BaseException] = {
    "ValueError": ValueError("broken"),
    "SystemExit": SystemExit(1),
    "GeneratorExit": GeneratorExit(),
    "StopIteration": StopIteration(),
    "StopAsyncIteration": StopAsyncIteration(),
    "CancelledError": asyncio.CancelledError(),
}

BOTH = pytest.mark.parametrize("name", ["count", "count_in_thread"])


@BOTH
@pytest.mark.parametrize("upto", [0, 1, MAX_AHEAD, 10 * MAX_AHEAD + 1])
async def test_every_item_comes_in_order_and_then_the_end(name: str, upto: int) -> None:
    async with hosting(Service) as host:
        assert [item async for item in stream(host, name, upto=upto)] == list(range(upto))
        assert host.instance.ended == [name]
        assert host.running_calls == 0


@BOTH
async def test_nothing_runs_before_the_first_step(name: str) -> None:
    async with hosting(Service) as host:
        items = stream(host, name, upto=3)
        assert host.running_calls == 0
        await items.aclose()
        assert host.instance.context is None


@BOTH
async def test_closing_early_runs_the_generators_finally(name: str) -> None:
    """``aclose`` returns after it; a generator in a thread is closed in that thread."""
    async with hosting(Service) as host:
        items = stream(host, name, upto=1000)
        assert await anext(items) == 0
        await items.aclose()
        assert host.instance.ended == [name]
        assert host.instance.context.is_cancelled
        assert host.running_calls == 0
        if name == "count_in_thread":
            assert len(host.instance.threads) == 1


@BOTH
async def test_a_stream_that_ran_to_its_end_was_not_cancelled(name: str) -> None:
    async with hosting(Service) as host:
        async for _ in stream(host, name, upto=3):
            pass
        assert not host.instance.context.is_cancelled


@BOTH
async def test_dropping_the_iterator_closes_it(name: str) -> None:
    async with hosting(Service) as host:
        async for _ in stream(host, name, upto=1000):
            break
        gc.collect()
        await eventually(lambda: host.instance.ended == [name])


async def test_a_generator_in_a_thread_does_not_run_far_ahead() -> None:
    async with hosting(Service) as host:
        items = stream(host, "count_in_thread", upto=1000)
        for taken in range(1, 101):
            await anext(items)
            await asyncio.sleep(0)
            assert host.instance.made <= taken + MAX_AHEAD
        await items.aclose()


@BOTH
async def test_the_running_call_does_not_leak_into_the_consumer(name: str) -> None:
    async with hosting(Service) as host:
        async for _ in stream(host, name, upto=2):
            assert current_call() is None
        context = context_of(host, "look")
        assert [item async for item in host.endpoint("look").stream({}, context)] == [context, context]


@pytest.mark.parametrize("name", ["fail", "fail_in_thread"])
@pytest.mark.parametrize(
    ("error", "type_name"),
    [
        ("ValueError", "ValueError"),
        ("SystemExit", "SystemExit"),
        ("GeneratorExit", "GeneratorExit"),
        ("StopIteration", "RuntimeError"),
        ("StopAsyncIteration", None),
    ],
)
async def test_an_error_comes_after_the_items_before_it(name: str, error: str, type_name: str | None) -> None:
    """None of them looks like the end of the stream, and none breaks the host."""
    if type_name is None:  # PEP 479 turns it into a RuntimeError in async generators only
        type_name = "RuntimeError"
    async with hosting(Service) as host:
        items = stream(host, name, error=error)
        assert await anext(items) == 1
        with pytest.raises(RemoteCallError) as caught:
            await anext(items)
        assert caught.value.type_name == type_name
        assert (caught.value.service, caught.value.endpoint) == ("Backend", name)
        assert [item async for item in stream(host, "count", upto=2)] == [0, 1]
        assert host.running_calls == 0


@pytest.mark.parametrize("name", ["fail", "fail_in_thread"])
async def test_a_stream_that_cancels_itself_is_told_from_a_cancelled_consumer(name: str) -> None:
    async with hosting(Service) as host:
        items = stream(host, name, error="CancelledError")
        assert await anext(items) == 1
        with pytest.raises(CallCancelledError):
            await anext(items)


@BOTH
async def test_an_error_of_the_finally_is_logged_when_nobody_waits(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with hosting(Service) as host:
        host.instance.closing_error = ValueError("closing")
        items = stream(host, name, upto=1000)
        await anext(items)
        await items.aclose()
        await eventually(lambda: "was being closed" in caplog.text)
        assert host.running_calls == 0


async def test_cancelling_a_step_ends_the_stream() -> None:
    async with hosting(Service) as host:
        items = stream(host, "wait")
        assert await anext(items) == 1
        step = asyncio.ensure_future(anext(items))
        await asyncio.sleep(0)
        step.cancel()
        with pytest.raises(asyncio.CancelledError):
            await step
        assert host.instance.ended == ["wait"]
        with pytest.raises(StopAsyncIteration):
            await anext(items)


async def test_a_thread_in_the_middle_of_a_step_is_left_alone() -> None:
    """Its stream ends at once, it is closed after the step, and draining waits for it."""
    async with hosting(Service) as host:
        items = stream(host, "block")
        assert await anext(items) == 1
        step = asyncio.ensure_future(anext(items))
        await asyncio.sleep(0)
        step.cancel()
        with pytest.raises(asyncio.CancelledError):
            await step
        assert host.instance.ended == []
        assert host.instance.context.is_cancelled
        assert not await host.drain(0)
        host.instance.go_on.set()
        assert await host.drain(10)
        assert host.instance.ended == ["block"]


@pytest.mark.parametrize("name", ["wait", "block"])
async def test_a_deadline_ends_a_stream_that_keeps_its_consumer_waiting(name: str) -> None:
    async with hosting(Service) as host:
        items = stream(host, name, timeout_s=0.3)
        assert await anext(items) == 1
        with pytest.raises(CallTimeoutError) as caught:
            await anext(items)
        assert (caught.value.service, caught.value.endpoint) == ("Backend", name)
        host.instance.go_on.set()
        await eventually(lambda: host.instance.ended == [name])


@BOTH
async def test_a_deadline_ends_a_stream_whose_consumer_is_elsewhere(name: str) -> None:
    """The generator is closed and its place is free, though nobody takes a step."""
    async with hosting(Service, traffic={"max_concurrency": 1, "max_queue": 0}) as host:
        items = stream(host, name, upto=1000, timeout_s=0.3)
        assert await anext(items) == 0
        await eventually(lambda: host.instance.ended == [name])
        await eventually(lambda: host.running_calls == 0)
        assert [item async for item in stream(host, name, upto=1)] == [0]
        with pytest.raises(CallTimeoutError):
            await anext(items)


async def test_a_stream_that_swallows_its_cancellation_does_not_look_complete() -> None:
    async with hosting(Service) as host:
        items = stream(host, "stubborn", timeout_s=0.2)
        with pytest.raises(CallTimeoutError):
            async for _ in items:
                pass
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0


async def test_many_streams_of_threads_run_side_by_side() -> None:
    async with hosting(Service) as host:

        async def take(upto: int) -> list[int]:
            return [item async for item in stream(host, "count_in_thread", upto=upto)]

        taken = await asyncio.gather(*(take(number) for number in range(100)))
        assert taken == [list(range(number)) for number in range(100)]
        assert host.threads <= 40
        assert await host.drain(10)


async def test_a_call_is_no_way_to_a_stream() -> None:
    async with hosting(Service) as host:
        with pytest.raises(RemoteCallError, match=r"use stream\(\)"):
            await call(host, "count", upto=1)
