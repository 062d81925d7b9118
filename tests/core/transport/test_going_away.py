"""Workers that stop: open calls are finished, new ones go elsewhere, and none fails."""

from __future__ import annotations

import asyncio

import pytest

from dynamo_core.errors import CallCancelledError
from dynamo_core.transport import TransportLimits
from dynamo_core.transport.frames import ERROR, GOAWAY, NOT_BEGUN, RESULT
from dynamo_core.transport.messages import encode_call_head

from .raw_for_tests import RawPeer
from .serving_for_tests import calling, eventually, working


async def test_open_calls_are_finished_and_new_ones_wait_for_the_next_worker(make_socket):
    """An overlap of two workers on one socket fails no call."""
    slot_socket = make_socket()
    async with working(slot_socket) as old, calling([slot_socket.member()]) as (client, channel):
        held = asyncio.create_task(client.hold())
        await old.backend.began.wait()
        old.server.go_away()
        await eventually(lambda: channel.usable_slots == ())
        waiting = asyncio.create_task(client.echo(1))
        async with working(slot_socket) as new:
            assert await waiting == 1
            assert new.backend.ledger == ["echo"]
            assert not held.done()
            draining = asyncio.create_task(old.server.drain(10))
            old.backend.released.set()
            assert await held == "released"
            assert await draining
            await eventually(lambda: not old.server._connections)


async def test_a_call_that_crosses_the_farewell_is_sent_back(make_socket):
    """It was not begun, and its caller is told so."""
    slot_socket = make_socket()
    async with working(slot_socket) as worker:
        peer = await RawPeer.open(slot_socket.path)
        worker.server.go_away()
        await peer.send(encode_call_head(1, 0, b"echo", 0, b"", 8) + b"\x81\xa5value\x01")
        assert (await peer.read())[0] == GOAWAY
        assert await peer.read() == (ERROR, NOT_BEGUN, 1, b"")
        assert worker.backend.ledger == []
        peer.close()


async def test_other_slots_take_over_at_once(make_socket):
    """A scaled-down worker is missed by nobody."""
    first, second = make_socket(), make_socket()
    async with (
        working(first, slot=0) as leaving,
        working(second, slot=1),
        calling([first.member(0), second.member(1)]) as (client, channel),
    ):
        await eventually(lambda: channel.usable_slots == (0, 1))
        stop = asyncio.Event()
        failed: list[BaseException] = []

        async def load() -> int:
            count = 0
            while not stop.is_set():
                await client.echo(count)
                count += 1
            return count

        loads = [asyncio.create_task(load()) for _ in range(8)]
        await eventually(lambda: len(leaving.backend.ledger) > 50)
        leaving.server.go_away()
        assert await leaving.server.drain(10)
        await leaving.server.aclose()
        channel.set_members([second.member(1)])
        done = len(leaving.backend.ledger)
        stop.set()
        assert sum(await asyncio.gather(*loads)) > done
        assert failed == []


async def test_draining_gives_up_at_its_limit(make_socket):
    """What is still open then is cancelled, and its caller is told by whom."""
    slot_socket = make_socket()
    async with working(slot_socket) as worker, calling([slot_socket.member()]) as (client, _):
        held = asyncio.create_task(client.hold())
        await worker.backend.began.wait()
        worker.server.go_away()
        assert not await worker.server.drain(0.01)
        await worker.server.aclose()
        assert worker.backend.cancelled.is_set()
        with pytest.raises(CallCancelledError, match="was cancelled by worker Backend/0"):
            await held


async def test_an_idle_server_drains_at_once(make_socket):
    """With connections, and without."""
    slot_socket = make_socket()
    async with working(slot_socket) as worker:
        assert await worker.server.drain(0)
        async with calling([slot_socket.member()]) as (client, _):
            assert await client.echo(1) == 1
            assert await worker.server.drain(5)


async def test_the_last_answer_is_handed_over_before_the_end(make_socket):
    """An answer that the caller has yet to read is not thrown away by closing."""
    slot_socket = make_socket()
    async with working(slot_socket) as worker:
        peer = await RawPeer.open(slot_socket.path, max_frame_bytes=1 << 24)
        await peer.send(encode_call_head(1, 0, b"make", 0, b"", 11) + b"\x81\xa4size\xce\x00\x80\x00\x00")
        await eventually(lambda: any(each.is_congested for each in worker.server._connections))
        draining = asyncio.create_task(worker.server.drain(10))
        frames = [frame async for frame in _until(peer, RESULT)]
        assert len(frames[-1][3]) > 0x800000
        assert await draining
        peer.close()


async def _until(peer: RawPeer, kind: int):
    while True:
        frame = await peer.read()
        yield frame
        if frame[0] == kind:
            return


async def test_closing_waits_for_no_caller_that_reads_nothing(make_socket, monkeypatch):
    """A caller that hangs cannot keep a worker from ending."""
    from dynamo_core.transport import server as server_module

    monkeypatch.setattr(server_module, "LAST_WRITE_S", 0.05)
    slot_socket = make_socket()
    async with working(slot_socket) as worker:
        peer = await RawPeer.open(slot_socket.path, max_frame_bytes=1 << 24)
        await peer.send(encode_call_head(1, 0, b"make", 0, b"", 11) + b"\x81\xa4size\xce\x00\x80\x00\x00")
        await eventually(lambda: any(each.is_congested for each in worker.server._connections))
        await worker.server.aclose()
        assert not worker.server._connections
        peer.close()


async def test_a_server_can_be_closed_twice_and_unused(make_socket):
    """However far it got."""
    slot_socket = make_socket()
    async with working(slot_socket) as worker:
        await worker.server.aclose()
        await worker.server.aclose()
        worker.server.stop_accepting()
        worker.server.go_away()


async def test_the_listener_is_closed_and_never_shut_down(make_socket):
    """The supervisor's copy takes connections for the next worker."""
    slot_socket = make_socket()
    async with working(slot_socket) as worker:
        worker.server.stop_accepting()
    async with (
        calling([slot_socket.member()], limits=TransportLimits(unavailable_timeout_s=10)) as (
            client,
            _,
        ),
        working(slot_socket),
    ):
        assert await client.echo(1) == 1


async def test_a_handshake_under_way_goes_to_the_next_worker(make_socket):
    """A connection that was taken and not yet welcomed is given up, and made anew by its caller."""
    slot_socket = make_socket()
    async with working(slot_socket) as old:
        peer = await RawPeer.connect(slot_socket.path)
        await eventually(lambda: old.server._handshakes)
        old.server.stop_accepting()
        assert await peer.read_to_end() == []
        peer.close()
