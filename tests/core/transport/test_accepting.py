"""Taking connections: bursts, and descriptors that run out."""

from __future__ import annotations

import asyncio
import resource
import socket
import sys

import pytest

from .raw_for_tests import RawPeer
from .serving_for_tests import calling, eventually, working
from .test_lost_workers import processing


async def test_a_burst_of_callers_is_taken(make_socket):
    """Many connect at once, and each is answered."""
    slot_socket = make_socket()
    async with working(slot_socket) as worker:
        opened = [calling([slot_socket.member()]) for _ in range(100)]
        clients = [(await each.__aenter__())[0] for each in opened]
        assert await asyncio.gather(*(client.echo(i) for i, client in enumerate(clients))) == list(range(100))
        assert len(worker.server._connections) == 100
        for each in opened:
            await each.__aexit__(None, None, None)
        await eventually(lambda: not worker.server._connections)


async def test_the_queue_keeps_its_length(make_socket):
    """A worker does not cut the queue that it shares with its supervisor."""
    slot_socket = make_socket(backlog=1)
    async with working(slot_socket) as worker:
        worker.server.stop_accepting()
        waiting = []
        for _ in range(100):  # with the queue of 1 that was set before, the third one would fail
            sock = socket.socket(socket.AF_UNIX)
            sock.setblocking(False)
            sock.connect(slot_socket.path)
            waiting.append(sock)
        for sock in waiting:
            sock.close()


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
async def test_a_worker_without_descriptors_recovers(make_socket):
    """More connections than it can have wait in the queue; it serves again once there are fewer."""
    slot_socket = make_socket()
    async with processing(slot_socket) as worker:
        resource.prlimit(worker.process.pid, resource.RLIMIT_NOFILE, (40, 40))
        peers = [await RawPeer.connect(slot_socket.path) for _ in range(60)]
        async with calling([slot_socket.member()]) as (client, channel):
            call = asyncio.create_task(client.echo(1))
            await eventually(lambda: channel._waiting)
            for peer in peers:
                peer.close()
            assert await call == 1
