"""Calls whose result is a stream of items."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, ClassVar

import pytest

from dynamo_core import BlockingCallError, RemoteCallError, to_async, to_async_stream
from dynamo_core.testing.conformance.harness import Conformance, OpenRun, on_loop
from dynamo_core.testing.conformance.needs import needs
from dynamo_core.testing.conformance.services.busy import Busy, Caller
from dynamo_core.testing.conformance.services.chain import Front, Leaf

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynamo_core.testing.conformance.ledger import Ledger

MANY: int = 5000
FLOOD_ITEMS: int = 2000
FLOOD_LIMIT_ITEMS: int = 600
"""Far above any sensible window for items of 64 KiB, and far below all of them."""


@needs("streams")
class StreamConformance(Conformance):
    """What the reader of a stream can rely on."""

    entry: ClassVar[type] = Front

    @on_loop
    async def test_async_generator_is_iterated(self, run: OpenRun) -> None:
        """An async generator is called as an async iterator."""
        assert [item async for item in run.client(Leaf).count(3)] == [0, 1, 2]

    @on_loop
    async def test_empty_stream(self, run: OpenRun) -> None:
        """A stream may have no items."""
        assert [item async for item in run.client(Leaf).count(0)] == []

    @on_loop
    async def test_order_and_number_are_kept(self, run: OpenRun) -> None:
        """Every item arrives once, in order."""
        assert [item async for item in run.client(Leaf).count(MANY)] == list(range(MANY))

    @on_loop
    async def test_stream_goes_along_a_chain(self, run: OpenRun) -> None:
        """A stream of a stream, item by item."""
        assert [item async for item in run.client(Front).stream(4)] == [0, 10, 20, 30]

    @on_loop
    async def test_large_items_arrive_whole(self, run: OpenRun) -> None:
        """Items much larger than a socket's buffer."""
        items = [item async for item in run.client(Leaf).count(8, 1024 * 1024)]
        assert [(number, len(data)) for number, data in items] == [(n, 1024 * 1024) for n in range(8)]

    @on_loop
    async def test_first_item_comes_before_the_last_is_made(self, run: OpenRun) -> None:
        """Items are sent as they come: the first ones of a long stream are there before it is over."""
        stream = run.client(Leaf).count(200_000)
        assert [await anext(stream) for _ in range(3)] == [0, 1, 2]
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator, declared as what it iterates

    @needs("sync_endpoints")
    @on_loop
    async def test_generator_is_iterated_from_a_loop(self, run: OpenRun) -> None:
        """``to_async_stream`` makes a blocking stream an async iterator."""
        letters = to_async_stream(run.client(Leaf).letters)
        assert [letter async for letter in letters("abc")] == ["a", "b", "c"]

    @needs("sync_endpoints")
    @on_loop
    async def test_generator_is_iterated_in_a_thread(self, run: OpenRun) -> None:
        """A thread iterates a generator endpoint as a generator."""
        leaf = run.client(Leaf)
        assert await asyncio.to_thread(lambda: list(leaf.letters("abc"))) == ["a", "b", "c"]

    @needs("sync_endpoints")
    @on_loop
    async def test_generator_iterates_a_generator(self, run: OpenRun) -> None:
        """A generator endpoint is in a thread, so it may block on another one."""
        letters = to_async_stream(run.client(Front).sync_stream)
        assert [letter async for letter in letters("abc")] == ["a", "b", "c"]

    @needs("sync_endpoints")
    @on_loop
    async def test_async_endpoint_iterates_a_generator(self, run: OpenRun) -> None:
        """An ``async def`` endpoint iterates the blocking stream of another service."""
        assert await run.client(Front).sync_stream_from_loop("abc") == ["a", "b", "c"]

    @needs("sync_endpoints")
    @on_loop
    async def test_def_endpoint_iterates_an_async_generator(self, run: OpenRun) -> None:
        """``to_sync_stream`` makes an async iterator a plain one for a thread."""
        assert await to_async(run.client(Front).stream_from_thread)(3) == [0, 1, 2]

    @needs("sync_endpoints")
    @on_loop
    async def test_blocking_iteration_on_the_loop_is_refused(self, run: OpenRun) -> None:
        """Iterating a blocking stream on the loop is an error that names ``to_async_stream``."""
        with pytest.raises(BlockingCallError, match="to_async_stream"):
            list(run.client(Leaf).letters("abc"))
        with pytest.raises(RemoteCallError, match="BlockingCallError"):
            await run.client(Front).streams_on_the_loop("abc")

    @on_loop
    async def test_many_streams_at_once(self, run: OpenRun) -> None:
        """Streams do not mix."""

        async def read(count: int) -> list[int]:
            return [item async for item in run.client(Leaf).count(count)]

        read_at_once = await asyncio.gather(*(read(100 + number) for number in range(32)))
        assert read_at_once == [list(range(100 + number)) for number in range(32)]

    @needs("flow_control")
    def test_slow_reader_holds_its_stream_back(
        self, open_run: Callable[[type], OpenRun], ledger: Ledger
    ) -> None:
        """An endpoint whose reader has stopped reading is stopped, instead of filling some memory."""
        run = open_run(Caller)

        async def read_one() -> int:
            flood = run.client(Busy).flood(str(ledger), FLOOD_ITEMS)
            async with contextlib.aclosing(flood):  # type: ignore[type-var]  # declared as what it iterates
                await anext(flood)
                return await _settled(ledger)

        assert run.do(read_one()) < FLOOD_LIMIT_ITEMS

    @needs("flow_control")
    def test_slow_reader_does_not_block_another_stream(
        self, open_run: Callable[[type], OpenRun], ledger: Ledger
    ) -> None:
        """While one stream waits for its reader, another one and plain calls go on."""
        run = open_run(Caller)

        async def read_another() -> tuple[list[int], list[int]]:
            busy = run.client(Busy)
            flood = busy.flood(str(ledger), FLOOD_ITEMS)
            async with contextlib.aclosing(flood):  # type: ignore[type-var]  # declared as what it iterates
                await anext(flood)
                await _settled(ledger)
                return [item async for item in busy.trickle(500)], await run.client(Caller).meet(4)

        items, met = run.do(read_another())
        assert items == list(range(500))
        assert sorted(met) == [1, 2, 3, 4]


async def _settled(ledger: Ledger) -> int:
    """Wait until no more items are noted, and give their number."""
    before = -1
    while (now := len(ledger.lines())) != before or now == 0:
        before = now
        await asyncio.sleep(0.2)  # long against the making of one item; a longer pause is no failure
    return now
