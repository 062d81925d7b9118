"""The four kinds of endpoint as their callers have them: on the loop, in threads, on other loops."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from dynamo_core import endpoint, service
from dynamo_core.errors import (
    BlockingCallError,
    CallTimeoutError,
    InvalidRequestError,
    RemoteCallError,
    ServiceUnavailableError,
    UnsupportedValueError,
)

from .clients_for_tests import calling, eventually, in_thread, on_other_loop


@service(name="Backend")
class Service:
    """A service of all kinds."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.begun = threading.Event()

    @endpoint
    async def add(self, a: int, b: int = 2) -> int:
        """Add two numbers."""
        return a + b

    @endpoint
    async def count(self, upto: int) -> AsyncIterator[int]:
        try:
            for number in range(upto):
                yield number
        finally:
            self.ended.append("count")

    @endpoint
    def double(self, a: int) -> int:
        return 2 * a

    @endpoint
    def count_down(self, start: int) -> Iterator[int]:
        try:
            while start:
                yield start
                start -= 1
        finally:
            self.ended.append("count_down")

    @endpoint
    async def fail(self) -> int:
        raise ValueError("broken")

    @endpoint
    async def fail_late(self) -> AsyncIterator[int]:
        yield 1
        raise ValueError("broken")

    @endpoint
    async def wait(self) -> int:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append("wait")
        return 0

    @endpoint
    async def wait_late(self) -> AsyncIterator[int]:
        try:
            yield 1
            self.begun.set()
            await asyncio.Event().wait()
        finally:
            self.ended.append("wait_late")

    def plain(self) -> str:
        return "not for others"

    limit = 3


async def test_a_coroutine_endpoint_is_awaited() -> None:
    async with calling(Service) as it:
        assert await it.client.add(1) == 3
        assert await it.client.add(1, b=5) == 6
        assert await it.client.add(a=2, b=2) == 4


async def test_an_async_generator_endpoint_is_iterated_and_closed() -> None:
    async with calling(Service) as it:
        assert [item async for item in it.client.count(3)] == [0, 1, 2]
        async with contextlib.aclosing(it.client.count(10_000)) as items:
            assert await anext(items) == 0
        assert it.host.instance.ended == ["count", "count"]
        assert it.channel.closed == 2


async def test_blocking_endpoints_block_in_a_thread() -> None:
    async with calling(Service) as it:
        assert await in_thread(lambda: it.client.double(4)) == 8
        assert await in_thread(lambda: list(it.client.count_down(3))) == [3, 2, 1]
        assert it.channel.threads == {threading.current_thread()}


async def test_ending_a_blocking_iteration_early_closes_it() -> None:
    def take_one() -> tuple[int, list[str]]:
        items = it.client.count_down(10_000)
        first = next(items)
        items.close()
        return first, list(it.host.instance.ended)

    async with calling(Service) as it:
        assert await in_thread(take_one) == (10_000, ["count_down"])

        def take_and_drop() -> None:
            for _ in it.client.count_down(10_000):
                break

        await in_thread(take_and_drop)
        assert it.host.instance.ended == ["count_down", "count_down"]


@pytest.mark.parametrize(("name", "view"), [("double", "to_async"), ("count_down", "to_async_stream")])
async def test_a_blocking_call_on_an_event_loop_is_refused(name: str, view: str) -> None:
    """By the call itself, before anything is sent, and with what to use instead."""
    async with calling(Service) as it:
        with pytest.raises(BlockingCallError, match=rf"{view}\(client\.{name}\)"):
            getattr(it.client, name)(1)
        with pytest.raises(BlockingCallError):
            await on_other_loop(lambda: getattr(it.client, name)(1))
        assert it.channel.options == []


async def test_an_iterator_made_in_a_thread_is_not_stepped_on_a_loop() -> None:
    async with calling(Service) as it:
        items = await in_thread(lambda: it.client.count_down(3))
        with pytest.raises(BlockingCallError):
            next(items)


async def test_calls_from_another_loop_are_carried_on_the_clients() -> None:
    async def take() -> tuple[int, list[int]]:
        return await it.client.add(1), [item async for item in it.client.count(3)]

    async with calling(Service) as it:
        assert await on_other_loop(take) == (3, [0, 1, 2])
        assert it.channel.threads == {threading.current_thread()}


async def test_a_stream_on_another_loop_is_closed_when_it_is_left_early() -> None:
    async def take_one() -> list[str]:
        async with contextlib.aclosing(it.client.count(10_000)) as items:
            await anext(items)
        return list(it.host.instance.ended)

    async with calling(Service) as it:
        assert await on_other_loop(take_one) == ["count"]


async def test_cancelling_a_call_cancels_the_endpoint() -> None:
    async with calling(Service) as it:
        running = asyncio.create_task(it.client.wait())
        await eventually(it.host.instance.begun.is_set)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert it.host.instance.ended == ["wait"]


@pytest.mark.parametrize("name", ["wait", "wait_late"])
async def test_cancelling_on_another_loop_cancels_the_endpoint(name: str) -> None:
    async def wait_late() -> None:
        async for _ in it.client.wait_late():
            pass

    async def begin_and_cancel() -> None:
        running = asyncio.ensure_future(it.client.wait() if name == "wait" else wait_late())
        await eventually(it.host.instance.begun.is_set)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    async with calling(Service) as it:
        await on_other_loop(begin_and_cancel)
        await eventually(lambda: it.host.instance.ended == [name])


async def test_errors_cross_every_way_of_calling() -> None:
    async def on_loop() -> None:
        with pytest.raises(RemoteCallError, match="ValueError: broken"):
            await it.client.fail()
        items = it.client.fail_late()
        assert await anext(items) == 1
        with pytest.raises(RemoteCallError, match="ValueError: broken"):
            await anext(items)

    async with calling(Service) as it:
        await on_loop()
        await on_other_loop(on_loop)


async def test_bad_arguments_are_found_before_anything_is_sent() -> None:
    async with calling(Service) as it:
        with pytest.raises(InvalidRequestError) as caught:
            await it.client.add(c=1)
        assert set(caught.value.problems) == {"a", "c"}
        with pytest.raises(UnsupportedValueError):
            await it.client.add(object())
        with pytest.raises(InvalidRequestError):
            await anext(it.client.count())
        with pytest.raises(InvalidRequestError):
            await in_thread(lambda: it.client.double(1, 2))
        with pytest.raises(InvalidRequestError):
            await in_thread(it.client.count_down)
        assert it.channel.options == []


async def test_methods_say_truly_what_they_are() -> None:
    async with calling(Service) as it:
        assert inspect.iscoroutinefunction(it.client.add)
        assert inspect.isasyncgenfunction(it.client.count)
        assert not inspect.iscoroutinefunction(it.client.double)
        assert str(inspect.signature(it.client.add)) == "(a: 'int', b: 'int' = 2) -> 'int'"
        assert it.client.add.__doc__ == "Add two numbers."
        assert it.client.add.__name__ == "add"


def test_a_call_after_the_clients_loop_has_ended_says_so() -> None:
    async def make() -> object:
        async with calling(Service) as it:
            return it.client

    client = asyncio.run(make())
    with pytest.raises(ServiceUnavailableError, match="event loop of this client has ended"):
        client.double(1)  # type: ignore[attr-defined]
    with pytest.raises(ServiceUnavailableError, match="event loop of this client has ended"):
        list(client.count_down(1))  # type: ignore[attr-defined]
    with pytest.raises(ServiceUnavailableError, match="event loop of this client has ended"):
        asyncio.run(client.add(1))  # type: ignore[attr-defined]


def test_a_blocked_call_ends_with_the_clients_loop() -> None:
    outcome: list[BaseException] = []

    def block(client: object) -> None:
        from dynamo_core import to_sync

        try:
            to_sync(client.wait)()  # type: ignore[attr-defined]
        except BaseException as exc:
            outcome.append(exc)

    async def main() -> threading.Thread:
        context = calling(Service)
        it = await context.__aenter__()
        thread = threading.Thread(target=block, args=(it.client,))
        thread.start()
        await eventually(it.host.instance.begun.is_set)
        return thread

    asyncio.run(main()).join(10)
    assert isinstance(outcome[0], ServiceUnavailableError)


async def test_a_deadline_reaches_every_way_of_calling() -> None:
    from dynamo_core import to_sync, with_options

    async with calling(Service) as it:
        quick = with_options(it.client, timeout_s=0.02)
        with pytest.raises(CallTimeoutError):
            await quick.wait()
        with pytest.raises(TimeoutError):
            await in_thread(to_sync(quick.wait))
        with pytest.raises(CallTimeoutError):
            await on_other_loop(quick.wait)
