"""The same on asyncio's loop and on uvloop."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from dynamo_core.client import with_options
from dynamo_core.errors import CallTimeoutError, RemoteCallError, ServiceUnavailableError, WorkerLostError
from dynamo_core.transport import TransportLimits, call_json
from dynamo_core.transport.begun import BegunPage
from dynamo_core.transport.frames import GOAWAY, HELLO, WELCOME, encode_frame
from dynamo_core.transport.messages import encode, encode_call_head

from .raw_for_tests import FakeWorker, RawPeer, faking, hello
from .serving_for_tests import RUN_ID, calling, eventually, working

uvloop = pytest.importorskip("uvloop")


@pytest.fixture(name="run", params=["asyncio", "uvloop"])
def run_fixture(request):
    """Runs a coroutine on the loop that is named."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else None

    def run(coroutine):
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(asyncio.wait_for(coroutine, 50))

    return run


def test_calls_and_streams(run, make_socket):
    """The common path."""
    slot_socket = make_socket()

    async def scenario() -> None:
        async with working(slot_socket) as worker, calling([slot_socket.member()]) as (client, _):
            assert await asyncio.gather(*(client.echo(i) for i in range(200))) == list(range(200))
            assert [item async for item in client.count(5000)] == list(range(5000))
            assert [item async for item in client.count_slowly(2000)] == list(range(2000))
            with pytest.raises(RemoteCallError):
                await client.fail()
            async with contextlib.aclosing(client.endless()) as items:
                assert await anext(items) == 1
            await worker.backend.closed.wait()

    run(scenario())


def test_large_values(run, make_socket):
    """Bodies that are written in pieces, both ways, several at once."""
    slot_socket = make_socket()

    async def scenario() -> None:
        async with working(slot_socket), calling([slot_socket.member()]) as (client, _):
            sizes = [40_000, 3_000_000, 1, 20_000_000, 70_000]
            assert await asyncio.gather(*(client.size(bytes(size)) for size in sizes)) == sizes
            assert [len(each) for each in await asyncio.gather(*map(client.make, sizes))] == sizes
            assert [len(each) async for each in client.blobs(sizes)] == sizes

    run(scenario())


def test_deadlines_and_cancellation(run, make_socket):
    """Both reach the endpoint."""
    slot_socket = make_socket()

    async def scenario() -> None:
        async with working(slot_socket) as worker, calling([slot_socket.member()]) as (client, _):
            with pytest.raises(CallTimeoutError):
                await with_options(client, timeout_s=0.05).hold()
            await worker.backend.cancelled.wait()
            worker.backend.cancelled.clear()
            worker.backend.began.clear()
            call = asyncio.create_task(client.hold())
            await worker.backend.began.wait()
            call.cancel()
            await worker.backend.cancelled.wait()

    run(scenario())


def test_a_slow_reader_of_everything(run, make_socket):
    """A caller that does not read is not read from, and gets all in the end."""
    slot_socket = make_socket()

    async def scenario() -> None:
        async with working(slot_socket) as worker:
            page = BegunPage.create()
            peer = await RawPeer.open(slot_socket.path, page=page)
            call = b"\x81\xa4size\xce\x00\x01\x00\x00"
            calls = [encode_call_head(n, 0, b"make", 0, b"", len(call)) + call for n in range(1, 101)]
            await peer.send(b"".join(calls[:50]))
            await eventually(lambda: any(each.is_congested for each in worker.server._connections))
            await peer.send(b"".join(calls[50:]))
            numbers = [(await peer.read())[2] for _ in range(100)]
            assert sorted(numbers) == list(range(1, 101))
            peer.close()
            if page is not None:
                page.close()

    run(scenario())


def test_a_farewell_right_after_the_welcome(run, make_socket):
    """Bytes that come together with the handshake's answer are not lost."""
    slot_socket = make_socket()

    async def leave(worker: FakeWorker, peer: RawPeer) -> None:
        if worker.connections == 1:
            await peer.send(encode_frame(GOAWAY))
            await peer.read_to_end()
        else:
            number = await worker.read_call(peer)
            worker.mark(number)

    async def scenario() -> None:
        async with faking(slot_socket, leave) as worker, calling([slot_socket.member()]) as (client, _):
            with pytest.raises(WorkerLostError):
                await client.hold()
            assert worker.connections == 2

    run(scenario())


def test_a_worker_that_is_replaced(run, make_socket):
    """GOAWAY, drain, the next worker on the same socket, and nobody fails."""
    slot_socket = make_socket()

    async def scenario() -> None:
        async with calling([slot_socket.member()]) as (client, _):
            for _ in range(3):
                async with working(slot_socket) as worker:
                    assert await client.echo(1) == 1
                    held = asyncio.create_task(client.hold())
                    await worker.backend.began.wait()
                    worker.server.go_away()
                    worker.backend.released.set()
                    assert await worker.server.drain(10)
                    assert await held == "released"

    run(scenario())


def test_nothing_is_left_behind(run, make_socket):
    """No task, on either side."""
    slot_socket = make_socket()

    async def scenario() -> None:
        before = asyncio.all_tasks()
        async with working(slot_socket), calling([slot_socket.member()]) as (client, channel):
            await client.echo(1)
            channel.set_members([slot_socket.member(), make_socket().member(1)])
            call = call_json(slot_socket.path, run_id=RUN_ID, service="Backend", endpoint="where", body=b"")
            assert [text async for text in call] == [b"0"]
        assert asyncio.all_tasks() == before

    run(scenario())


def test_a_handshake_that_comes_in_pieces(run, make_socket):
    """One byte at a time."""
    slot_socket = make_socket()

    async def scenario() -> None:
        async with working(slot_socket):
            peer = await RawPeer.connect(slot_socket.path)
            for byte in encode_frame(HELLO, body=encode(hello())):
                await peer.send(bytes([byte]))
                await asyncio.sleep(0)
            assert (await peer.read())[0] == WELCOME
            peer.close()

    run(scenario())


def test_nobody_there(run, make_socket):
    """An error with its reason, not a hang."""
    slot_socket = make_socket()
    limits = TransportLimits(unavailable_timeout_s=0.05)

    async def scenario() -> None:
        async with calling([slot_socket.member()], limits=limits) as (client, _):
            with pytest.raises(ServiceUnavailableError, match="slot 0"):
                await client.echo(1)

    run(scenario())


def test_a_stop_between_the_two_halves_of_a_connection_ends_it_well(run, make_socket):
    """The worker was told to stop when a connection was there, and whoever made it did not know yet."""
    slot_socket = make_socket()

    async def scenario() -> None:
        async with working(slot_socket) as worker:
            began = worker.server.connection_began

            def begin_and_stop(connection):
                began(connection)
                worker.server.go_away()

            worker.server.connection_began = begin_and_stop
            peer = await RawPeer.open(slot_socket.path)
            assert (await peer.read())[0] == GOAWAY
            await worker.server.aclose()
            assert await peer.read_to_end() == []
            peer.close()

    run(scenario())
