"""Taking connections: bursts, and descriptors that run out."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import sys
from typing import Any

import pytest

from dynamo_core.transport import server as server_module

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


class ExhaustedListener:
    """A listening socket of a process that has no descriptors left."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.is_exhausted = True
        self.asked = 0

    def accept(self) -> Any:
        self.asked += 1
        if self.is_exhausted:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._real.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


async def test_running_out_of_descriptors_does_not_spin(make_socket, monkeypatch):
    """The socket is asked once, and again after a pause or when a connection has ended."""
    monkeypatch.setattr(server_module, "ACCEPT_PAUSE_S", 3600.0)
    slot_socket = make_socket()
    async with working(slot_socket) as worker, calling([slot_socket.member()]) as (first, first_channel):
        assert await first.echo(1) == 1
        server = worker.server
        listener = server._listener = ExhaustedListener(server._listener)  # type: ignore[assignment,arg-type]
        async with calling([slot_socket.member()]) as (second, _):
            call = asyncio.create_task(second.echo(2))
            await eventually(lambda: server._accept_again is not None)
            assert await first.echo(3) == 3
            assert listener.asked == 1
            listener.is_exhausted = False
            await first_channel.aclose()
            assert await call == 2
            assert server._accept_again is None


async def test_accepting_goes_on_after_the_pause(make_socket, monkeypatch):
    """When no connection of its own has ended, somebody else may have closed something."""
    monkeypatch.setattr(server_module, "ACCEPT_PAUSE_S", 0.01)
    slot_socket = make_socket()
    async with working(slot_socket) as worker:
        server = worker.server
        listener = server._listener = ExhaustedListener(server._listener)  # type: ignore[assignment,arg-type]
        async with calling([slot_socket.member()]) as (client, _):
            call = asyncio.create_task(client.echo(1))
            await eventually(lambda: listener.asked >= 3)
            listener.is_exhausted = False
            assert await call == 1


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
