"""A worker that accepts on another socket from now on."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from dynamo_core.client import to_async
from dynamo_core.worker_kit.serving import Renewals

from .serving_for_tests import SlotSocket, calling, working


async def test_the_new_socket_is_served_and_old_connections_stay(make_socket):
    """Nobody notices who is connected already."""
    slot_socket = make_socket()
    async with working(slot_socket) as worker, calling([slot_socket.member()]) as (former, _):
        assert await former.echo(1) == 1
        held = asyncio.create_task(former.hold())
        await worker.backend.began.wait()
        Path(slot_socket.path).unlink()
        other = SlotSocket(Path(slot_socket.path))
        worker.server.relisten(other.copy())
        async with calling([other.member()]) as (new, _):
            assert await new.echo(2) == 2
        assert await former.echo(3) == 3
        worker.backend.released.set()
        assert await held == "released"
        other.close()


async def test_a_stopping_server_takes_no_other_socket(make_socket):
    """It is closed at once."""
    first, second = make_socket(), make_socket()
    async with working(first) as worker:
        worker.server.stop_accepting()
        listener = second.copy()
        worker.server.relisten(listener)
        assert listener.fileno() == -1


async def test_a_socket_that_comes_before_the_server_is_handed_to_it(make_socket):
    """The last one, if there were several."""
    first, second, third = make_socket(), make_socket(), make_socket()
    renewals = Renewals()
    early, last = second.copy(), third.copy()
    renewals.take(early)
    renewals.take(last)
    assert early.fileno() == -1
    async with working(first) as worker, calling([third.member()]) as (client, _):
        renewals.hand_to(worker.server)
        assert await client.echo(1) == 1
        assert await to_async(client.double)(2) == 4
        renewals.close()
        assert await client.echo(3) == 3


@pytest.mark.parametrize("times", [1, 2])
def test_what_nobody_takes_is_closed(times):
    """A worker that does not start leaves nothing open."""
    renewals = Renewals()
    waiting = socket.socket(socket.AF_UNIX)
    renewals.take(waiting)
    for _ in range(times):
        renewals.close()
    assert waiting.fileno() == -1
