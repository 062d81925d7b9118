"""Long byte strings on the wire: each in a part of its own, for peers that read that."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any

import msgspec
import pytest

from dynamo_core.errors import InvalidRequestError, UnsupportedValueError
from dynamo_core.parts import TAIL_BYTES
from dynamo_core.transport import TransportLimits
from dynamo_core.transport.frames import BEGIN, CALL, CANCEL, HAS_TAIL, RESULT, encode_tail_head
from dynamo_core.transport.messages import encode_call_body

from .raw_for_tests import RawPeer, faking
from .serving_for_tests import calling, served, working

LONG = bytes(range(256)) * (TAIL_BYTES // 64)


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
async def test_long_values_of_every_form_go_both_ways(folder, form):
    """They come as bytes."""
    async with served(folder) as (client, _):
        assert await client.echo(form(LONG)) == LONG
        assert await client.size(form(LONG)) == len(LONG)
        assert type(await client.make(len(LONG))) is bytes


async def test_what_stands_around_long_values_is_kept(folder):
    """Inside other values, beside small calls, and one after the other."""
    async with served(folder) as (client, _):
        values: list[Any] = [
            LONG,
            {"a": [LONG, 1]},
            b"",
            5,
            LONG[:TAIL_BYTES],
            LONG[: TAIL_BYTES - 1],
            [LONG],
        ]
        assert await asyncio.gather(*(client.echo(each) for each in values * 3)) == values * 3


@pytest.mark.parametrize("window", [1, 1 << 20])
async def test_long_items_come_in_their_order(folder, window):
    """Among short ones, and with a window that one of them passes."""
    sizes = [1, TAIL_BYTES, 5, 0, 3 * TAIL_BYTES, TAIL_BYTES - 1, TAIL_BYTES, 2]
    limits = TransportLimits(stream_window_items=window, stream_window_bytes=window)
    async with served(folder, limits=limits) as (client, _):
        assert [len(item) async for item in client.blobs(sizes)] == sizes


async def test_a_long_result_may_be_as_long_as_the_limit(folder):
    """The header without its length, that of the tail, and what msgpack has before bytes count."""
    size = TAIL_BYTES + 1000
    async with served(folder, limits=TransportLimits(max_frame_bytes=size + 15)) as (client, _):
        assert len(await client.make(size)) == size
        assert [len(item) async for item in client.blobs([size - 1])] == [size - 1]


async def test_a_long_result_above_the_limit_is_an_error_of_its_call(folder):
    """And of its stream; the connection stays."""
    size = TAIL_BYTES + 1000
    async with served(folder, limits=TransportLimits(max_frame_bytes=size + 14)) as (client, _):
        with pytest.raises(UnsupportedValueError, match="max_frame_bytes"):
            await client.make(size)
        with pytest.raises(UnsupportedValueError, match="max_frame_bytes"):
            _ = [item async for item in client.blobs([size])]
        assert await client.make(3) == bytes(3)


@pytest.mark.parametrize("takes_tails", [False, True])
async def test_a_caller_gets_tails_only_if_it_reads_them(make_socket, takes_tails):
    """Another one gets the same value in one piece."""
    slot_socket = make_socket()
    async with working(slot_socket):
        peer = await RawPeer.open(slot_socket.path, takes_tails=takes_tails)
        arguments = msgspec.msgpack.encode({"size": TAIL_BYTES})
        body = encode_call_body(b"make", 0, b"") + arguments
        await peer.send(encode_tail_head(CALL, 1, len(body), 0) + body)
        assert (await peer.read())[0] == BEGIN
        kind, flags, _, body = await peer.read()
        assert (kind, flags) == (RESULT, HAS_TAIL if takes_tails else 0)
        assert body[:5] == b"\xc6" + TAIL_BYTES.to_bytes(4, "big")
        assert len(body) == (5 if takes_tails else 5 + TAIL_BYTES)
        peer.close()


@pytest.mark.parametrize("takes_tails", [False, True])
async def test_a_worker_gets_tails_only_if_it_reads_them(make_socket, takes_tails):
    """The caller asks no more of it than it has said."""
    seen = []

    async def behave(_: object, peer: RawPeer) -> None:
        kind, flags, number, body = await peer.read()
        seen.append((kind, flags, len(body)))
        await peer.send(encode_tail_head(RESULT, number, 1, 0) + b"\x07")

    slot_socket = make_socket()
    async with (
        faking(slot_socket, behave, takes_tails=takes_tails),
        calling([slot_socket.member()]) as (client, _),
    ):
        assert await client.size(LONG) == 7
    head = len(encode_call_body(b"size", 0, b"") + b"\x81\xa4data\xc6") + 4
    assert seen == [(CALL, HAS_TAIL if takes_tails else 0, head if takes_tails else head + len(LONG))]


@pytest.mark.parametrize("at", [0, 1, 5, 9, 12])
async def test_a_tail_may_begin_anywhere_in_the_arguments(make_socket, at):
    """It is read as one with what stands before it."""
    slot_socket = make_socket()
    async with working(slot_socket):
        peer = await RawPeer.open(slot_socket.path)
        arguments = msgspec.msgpack.encode({"value": [1, b"123456"]})
        body = encode_call_body(b"echo", 0, b"") + arguments
        await peer.send(encode_tail_head(CALL, 1, len(body), len(arguments) - at) + body)
        assert (await peer.read())[0] == BEGIN
        kind, _, _, result = await peer.read()
        assert (kind, msgspec.msgpack.decode(result)) == (RESULT, [1, b"123456"])
        peer.close()


@pytest.mark.parametrize("kind", [CANCEL, CALL])
async def test_a_tail_where_none_can_be_cuts_the_connection(make_socket, kind):
    """In a frame of another kind, or before the arguments."""
    slot_socket = make_socket()
    async with working(slot_socket):
        peer = await RawPeer.open(slot_socket.path)
        body = encode_call_body(b"echo", 0, b"") + b"\x80"
        await peer.send(encode_tail_head(kind, 1, len(body), len(body)) + body)
        assert await peer.read_to_end() == []
        peer.close()


async def test_bad_arguments_in_parts_are_refused_as_any(folder):
    """The error is the same, and the connection stays."""
    async with served(folder) as (client, _):
        with pytest.raises(InvalidRequestError, match="size"):
            await client.make(LONG)
        assert await client.make(2) == bytes(2)


async def test_a_cancelled_call_with_a_long_argument_leaves_the_connection_whole(folder):
    """What has begun to go out goes out to its end."""
    async with served(folder) as (client, _):
        task = asyncio.create_task(client.size(LONG * 64))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await client.echo("still there") == "still there"


@pytest.mark.parametrize("way", ["argument", "result", "item"])
async def test_a_long_value_takes_its_own_memory_once(folder, way):
    """Between its sender's object and its receiver's there is no other copy, on either side."""
    size = 16 << 20
    data = bytes(size)
    async with served(folder) as (client, worker):
        await client.echo(1)
        worker.backend.data = data
        tracemalloc.start()
        try:
            if way == "argument":
                assert await client.size(data) == size
            elif way == "result":
                assert len(await client.kept()) == size
            else:
                assert [len(item) async for item in client.kept_items()] == [size]
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert size <= peak < 1.1 * size
