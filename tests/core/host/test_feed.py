"""Streams that are run to their end in one task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from dynamo_core import current_call, endpoint
from dynamo_core.errors import CallCancelledError, CallTimeoutError, RemoteCallError, UnsupportedValueError

from .hosting_for_tests import context_of, eventually, hosting


class Source:
    def __init__(self) -> None:
        self.ledger: list[object] = []

    @endpoint
    async def count(self, to: int) -> AsyncIterator[int]:
        try:
            for number in range(to):
                call = current_call()
                self.ledger.append(None if call is None else call.endpoint)
                yield number
        finally:
            self.ledger.append("closed")

    @endpoint
    def count_in_thread(self, to: int) -> Iterator[int]:
        yield from range(to)

    @endpoint
    async def break_off(self) -> AsyncIterator[int]:
        yield 1
        raise LookupError("no second")


async def feed(host, name: str, put, *, timeout_s: float | None = None, **arguments: object) -> None:
    context = context_of(host, name, timeout_s=timeout_s)
    await host.endpoint(name).feed(arguments, context, put)


@pytest.mark.parametrize("name", ["count", "count_in_thread"])
async def test_every_item_is_put_in_order(name):
    """Of async generators and of those in threads."""
    async with hosting(Source) as host:
        found: list[object] = []
        await feed(host, name, found.append, to=100)
        assert found == list(range(100))
        assert host.running_calls == 0


async def test_the_call_is_known_in_every_step():
    """And in nothing that runs afterwards."""
    async with hosting(Source) as host:
        await feed(host, "count", lambda item: None, to=3)
        assert host.instance.ledger == ["count", "count", "count", "closed"]
        assert current_call() is None


async def test_what_put_returns_is_awaited_before_the_next_step():
    """So a reader that is slow stops the source."""
    async with hosting(Source) as host:
        go_on = asyncio.Event()

        async def wait() -> None:
            await go_on.wait()

        feeding = asyncio.create_task(feed(host, "count", lambda item: wait(), to=2))
        await eventually(lambda: host.instance.ledger)
        assert host.instance.ledger == ["count"]
        go_on.set()
        await feeding
        assert host.instance.ledger == ["count", "count", "closed"]


async def test_an_error_of_the_endpoint_is_explained():
    """As for a stream that is stepped."""
    async with hosting(Source) as host:
        found: list[object] = []
        with pytest.raises(RemoteCallError, match="no second"):
            await feed(host, "break_off", found.append)
        assert found == [1]


async def test_an_error_of_put_goes_on_as_it_is():
    """It is no fault of the endpoint, whose generator is closed."""

    def refuse(item: object) -> None:
        raise UnsupportedValueError("too long")

    async with hosting(Source) as host:
        with pytest.raises(UnsupportedValueError, match="too long"):
            await feed(host, "count", refuse, to=3)
        assert host.instance.ledger == ["count", "closed"]
        assert host.running_calls == 0


async def test_a_deadline_between_two_steps_ends_it():
    """Its source is closed at once, and the caller is told once the wait is over."""
    async with hosting(Source) as host:

        async def wait_long() -> None:
            await eventually(lambda: "closed" in host.instance.ledger)

        with pytest.raises(CallTimeoutError):
            await feed(host, "count", lambda item: wait_long(), timeout_s=0.05, to=3)
        assert host.instance.ledger == ["count", "closed"]


async def test_stopping_the_host_ends_it():
    """In the middle of a wait, too."""
    async with hosting(Source) as host:

        async def wait_long() -> None:
            await eventually(lambda: "closed" in host.instance.ledger)

        feeding = asyncio.create_task(feed(host, "count", lambda item: wait_long(), to=3))
        await eventually(lambda: host.instance.ledger)
        await host.stop()
        with pytest.raises(CallCancelledError):
            await feeding


async def test_cancelling_it_closes_the_generator():
    """Its ``finally`` runs before the cancellation goes on."""
    async with hosting(Source) as host:
        forever = asyncio.Event()

        async def wait() -> None:
            await forever.wait()

        feeding = asyncio.create_task(feed(host, "count", lambda item: wait(), to=3))
        await eventually(lambda: host.instance.ledger)
        feeding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await feeding
        assert host.instance.ledger == ["count", "closed"]
        assert host.running_calls == 0
