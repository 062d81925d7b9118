"""Calls whose result is a stream, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from dynamo_core.channel import CallOptions
from dynamo_core.client import with_options
from dynamo_core.errors import CallTimeoutError, RemoteCallError, UnsupportedValueError
from dynamo_core.transport import Member, TransportLimits

from .serving_for_tests import calling, endpoint_named, eventually, served


async def collect(items) -> list:
    return [item async for item in items]


@pytest.mark.parametrize("count", [0, 1, 2, 5000])
async def test_items_come_in_order(folder, count):
    """All of them, once each."""
    async with served(folder) as (client, _):
        assert await collect(client.count(count)) == list(range(count))
        assert await collect(client.count_slowly(count)) == list(range(count))


async def test_items_that_are_ready_together_share_frames(folder):
    """A source that never waits costs far fewer frames than it has items."""
    async with served(folder) as (_, _), calling([member(folder)]) as (_, channel):
        frames = await collect(
            channel.stream(endpoint_named("count"), b"\x81\xa2to\xcd\x13\x88", CallOptions())
        )
        assert len(frames) < 5000 / 20


async def test_the_first_item_comes_before_the_second_is_made(folder):
    """An item is not kept until there are others."""
    async with served(folder) as (client, worker), contextlib.aclosing(client.one_then_hold()) as items:
        assert await anext(items) == 1
        assert await anext(items) == 2
        worker.backend.released.set()
        assert await anext(items) == 3


async def test_many_streams_run_at_once(folder):
    """They share the connection and stay apart."""
    async with served(folder) as (client, _):
        found = await asyncio.gather(*(collect(client.count(300 + i)) for i in range(32)))
        assert found == [list(range(300 + i)) for i in range(32)]


async def test_an_error_comes_after_the_items_before_it(folder):
    """What was yielded is delivered first."""
    async with served(folder) as (client, _):
        found = []
        with pytest.raises(RemoteCallError, match="no third"):
            async for item in client.break_off():
                found.append(item)
        assert found == [1, 2]


async def test_an_item_that_cannot_be_sent_comes_after_the_items_before_it(folder):
    """And it ends the stream with an error that names its type."""
    async with served(folder) as (client, _):
        found = []
        with pytest.raises(UnsupportedValueError, match="object"):
            async for item in client.odd_items():
                found.append(item)
        assert found == [1, 2]


async def test_leaving_a_stream_closes_its_generator(folder):
    """The endpoint's ``finally`` runs soon, and the connection serves on."""
    async with served(folder) as (client, worker):
        async with contextlib.aclosing(client.endless()) as items:
            assert await anext(items) == 1
        await asyncio.wait_for(worker.backend.closed.wait(), 10)
        assert await client.echo(1) == 1
        await eventually(lambda: not any(each.calls or each.ending for each in worker.server._connections))


async def test_a_reader_that_is_slow_stops_the_source(folder):
    """The source is ahead by the window and one batch at most, and goes on when the reader does."""
    limits = TransportLimits(stream_window_items=10)
    async with (
        served(folder, limits=limits) as (client, worker),
        contextlib.aclosing(client.endless()) as items,
    ):
        assert await anext(items) == 1
        await eventually(lambda: worker.backend.produced >= 10)
        assert await client.echo("meanwhile") == "meanwhile"
        assert worker.backend.produced <= 11
        for expected in range(2, 200):
            assert await anext(items) == expected


async def test_a_window_of_one_item_and_one_byte_is_enough(folder):
    """However small it is, a stream gets through."""
    limits = TransportLimits(stream_window_items=1, stream_window_bytes=1)
    async with served(folder, limits=limits) as (client, _):
        assert await collect(client.count(200)) == list(range(200))
        assert [len(item) for item in await collect(client.blobs([0, 70_000, 1, 200_000]))] == [
            0,
            70_000,
            1,
            200_000,
        ]


async def test_bytes_count_against_the_window_too(folder):
    """Large items are not sent ahead by their number."""
    limits = TransportLimits(stream_window_bytes=100_000)
    async with (
        served(folder, limits=limits) as (client, _),
        calling([member(folder)], limits=limits) as (_, channel),
    ):
        stream = channel.stream(
            endpoint_named("blobs"), b"\x81\xa5sizes\xdc\x00\x14" + b"\xcd\xc3\x50" * 20, CallOptions()
        )
        await anext(stream)
        assert await client.echo(1) == 1
        (connection,) = channel._usable
        (open_stream,) = connection.streams.values()
        await eventually(lambda: open_stream._arrays)
        assert await client.echo(2) == 2
        assert sum(len(array) for array, _ in open_stream._arrays) <= 101_000
        assert len([array async for array in stream]) >= 1


async def test_a_slow_reader_slows_its_own_stream_only(folder):
    """Another stream on the same connection runs on."""
    async with served(folder) as (client, _), contextlib.aclosing(client.endless()) as slow:
        await anext(slow)
        assert await collect(client.count(20_000)) == list(range(20_000))


async def test_a_stream_that_never_waits_leaves_room_for_calls(folder):
    """A busy source does not keep the worker from its other calls."""
    async with served(folder) as (client, _):

        async def read() -> None:
            async for item in client.endless():
                if item > 1_000_000:
                    return

        reading = asyncio.create_task(read())
        for number in range(20):
            assert await client.echo(number) == number
        assert not reading.done()
        reading.cancel()


async def test_a_deadline_ends_a_stream(folder):
    """It counts for the whole stream, not for an item."""
    async with served(folder) as (client, worker):
        found = []
        with pytest.raises(CallTimeoutError):
            async for item in with_options(client, timeout_s=0.1).one_then_hold():
                found.append(item)
        assert found == [1, 2]
        await asyncio.wait_for(worker.backend.closed.wait(), 10)


async def test_an_item_above_the_callers_limit_ends_its_stream(folder):
    """The items before it are delivered."""
    async with served(folder, limits=TransportLimits(max_frame_bytes=5000)) as (client, _):
        found = []
        with pytest.raises(UnsupportedValueError, match="limit of 5000 bytes"):
            async for item in client.blobs([10, 4000, 6000, 10]):
                found.append(len(item))
        assert found == [10, 4000]


async def test_items_that_together_pass_the_limit_are_sent_apart(folder):
    """A batch is never the reason for a refusal."""
    async with served(folder, limits=TransportLimits(max_frame_bytes=5000)) as (client, _):
        sizes = [3000] * 30
        assert [len(item) for item in await collect(client.blobs(sizes))] == sizes


async def test_large_items_after_small_ones_and_back(folder):
    """The size of batches follows that of the items."""
    sizes = [*[10] * 600, *[100_000] * 20, *[10] * 600]
    async with served(folder) as (client, _):
        assert [len(item) for item in await collect(client.blobs(sizes))] == sizes


def member(folder) -> Member:
    return Member(slot=0, path=str(folder / "0"))
