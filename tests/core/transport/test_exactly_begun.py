"""What has begun is told exactly: of calls that wait for a place, and when a connection is lost and its worker is not."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from dynamo_core.client import to_async
from dynamo_core.errors import WorkerLostError
from dynamo_core.transport.begun import ENTRIES, WITHDRAWN, BegunPage
from dynamo_core.transport.frames import ERROR, RESULT
from dynamo_core.transport.messages import encode_call_head

from .raw_for_tests import FakeWorker, RawPeer, faking
from .serving_for_tests import calling, eventually, working

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfd is Linux's")


async def cut_connections(worker, call: asyncio.Task[object]) -> None:
    """Have a worker that lives on lose its connections, once *call* waits behind the one that runs."""
    await eventually(lambda: worker.host.instance.ledger == ["hold"])
    await eventually(lambda: sum(len(each.calls) for each in worker.server._connections) == 2)
    assert not call.done()
    for connection in list(worker.server._connections):
        connection.abort()


@pytest.mark.parametrize("kind", ["unary", "stream", "thread"])
async def test_a_call_that_waits_for_a_place_has_not_begun(make_socket, kind):
    """It moves to another worker when its own is lost; the one that runs fails."""
    first, second = make_socket(), make_socket()
    async with (
        working(first, traffic={"max_concurrency": 1}) as narrow,
        working(second, slot=1) as other,
        calling([first.member(0)]) as (client, channel),
    ):
        begun = asyncio.create_task(client.hold())
        await narrow.backend.began.wait()

        async def call() -> object:
            if kind == "unary":
                return await client.where()
            if kind == "thread":
                return await to_async(client.double)(4)
            return [item async for item in client.count(3)]

        waiting = asyncio.create_task(call())
        await eventually(lambda: sum(len(each.calls) for each in narrow.server._connections) == 2)
        channel.set_members([first.member(0), second.member(1)])
        await eventually(lambda: channel.usable_slots == (0, 1))
        await cut_connections(narrow, waiting)
        assert await waiting == {"unary": 1, "thread": 8, "stream": [0, 1, 2]}[kind]
        with pytest.raises(WorkerLostError) as caught:
            await begun
        assert caught.value.begun
        assert narrow.backend.ledger == ["hold", "cancelled"]
        assert other.host.slot == 1


async def test_a_call_that_got_its_place_has_begun(make_socket):
    """From the moment on at which its method runs."""
    slot_socket = make_socket()
    async with (
        working(slot_socket, traffic={"max_concurrency": 1}) as worker,
        calling([slot_socket.member()]) as (client, _),
    ):
        held = asyncio.create_task(client.hold())
        second = asyncio.create_task(client.hold())
        await eventually(lambda: sum(len(each.calls) for each in worker.server._connections) == 2)
        held.cancel()
        await eventually(lambda: worker.backend.ledger == ["hold", "cancelled", "hold"])
        for connection in list(worker.server._connections):
            connection.abort()
        with pytest.raises(WorkerLostError) as caught:
            await second
        assert caught.value.begun


@pytest.mark.parametrize("concurrency", [None, 1])
async def test_a_worker_begins_nothing_that_its_caller_has_taken_elsewhere(make_socket, concurrency):
    """The caller says so in the page, whatever is still on its way."""
    slot_socket = make_socket()
    page = BegunPage.create()
    assert page is not None
    async with working(slot_socket, traffic={"max_concurrency": concurrency}) as worker:
        peer = await RawPeer.open(slot_socket.path, page=page, passes_page=True)
        for number, is_run in ((1, True), (2, False)):
            await peer.send(encode_call_head(number, 0, b"where", 0, b"", 1) + b"\x80")
            kind, _, answered, _ = await peer.read()
            assert (kind, answered) == (RESULT if is_run else ERROR, number)
            page.withdraw()
        assert worker.backend.ledger == ["where"]
        peer.close()
    page.close()


async def test_a_caller_that_loses_a_connection_says_so_before_it_goes_elsewhere(make_socket):
    """Otherwise a worker that lives on could begin the call as well."""
    first, second = make_socket(), make_socket()
    tables = []

    async def lose(worker: FakeWorker, peer: RawPeer) -> None:
        await worker.read_call(peer)
        assert worker.marks is not None
        tables.append(worker.marks.table[WITHDRAWN])
        peer.close()
        await eventually(lambda: worker.marks is not None and worker.marks.table[WITHDRAWN])
        tables.append(worker.marks.table[WITHDRAWN])
        await asyncio.Event().wait()  # it takes no other connection

    async with (
        faking(first, lose),
        working(second, slot=1),
        calling([first.member(0), second.member(1)]) as (client, channel),
    ):
        await eventually(lambda: channel.usable_slots == (0, 1))
        waiting = [asyncio.create_task(client.where()) for _ in range(2)]
        assert await asyncio.gather(*waiting) == [1, 1]
        await eventually(lambda: tables == [0, 1])


async def test_the_callers_number_is_no_calls_place():
    """The last call of a lap has a place of its own."""
    assert WITHDRAWN == ENTRIES
    page = BegunPage.create()
    assert page is not None
    page.withdraw()
    assert not any(page.has_begun(number) for number in (1, ENTRIES - 1, ENTRIES, 2 * ENTRIES))
    page.close()


async def test_without_a_page_nothing_begins_on_a_lost_connection(make_socket):
    """The kernel did not take the frame that would have told."""
    slot_socket = make_socket()
    async with working(slot_socket) as worker:
        peer = await RawPeer.open(slot_socket.path)
        peer.sock.shutdown(socket.SHUT_RD)
        await peer.send(encode_call_head(1, 0, b"where", 0, b"", 1) + b"\x80")
        await eventually(lambda: not worker.server._connections)
        assert worker.backend.ledger == []
        peer.close()
