"""Taking connections: bursts, and descriptors that run out."""

from __future__ import annotations

import asyncio
import resource
import socket
import sys
from collections.abc import Iterator

import pytest

from dynamo_core.accepting import Acceptor

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


class Queue:
    """A listening socket with connections in its queue, and what acceptors that share it have taken."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.taken: dict[str, int] = {}
        self._open: list[socket.socket] = []

    def accept(self, whose: str, *, is_shared: bool = False) -> Acceptor:
        """Accept from it, beside others."""
        self.taken[whose] = 0

        def take(sock: socket.socket) -> None:
            self._open.append(sock)
            self.taken[whose] += 1

        return Acceptor(self.listener.dup(), take, whose=whose, is_shared=is_shared)

    def connect(self, count: int) -> None:
        """Put so many connections into it."""
        for _ in range(count):
            sock = socket.socket()
            self._open.append(sock)
            sock.connect(self.listener.getsockname())

    def close(self) -> None:
        for sock in [*self._open, self.listener]:
            sock.close()


@pytest.fixture
def queue() -> Iterator[Queue]:
    found = Queue(socket.create_server(("127.0.0.1", 0), backlog=100))
    yield found
    found.close()


async def test_a_burst_is_left_to_others_after_a_few(queue):
    """A worker that runs at the moment does not take all of what all have in common."""
    acceptor = queue.accept("one", is_shared=True)
    queue.connect(40)
    acceptor.start()
    await eventually(lambda: queue.taken["one"])
    assert queue.taken["one"] < 8
    await eventually(lambda: queue.taken["one"] == 40)
    acceptor.stop()


async def test_who_is_reluctant_takes_what_others_leave(queue):
    """Nothing while there is another one, and all of it when there is not."""
    eager, reluctant = queue.accept("eager"), queue.accept("reluctant")
    reluctant.is_reluctant = True
    for each in (reluctant, eager):
        each.start()
    for number in range(1, 5):
        queue.connect(5)
        await eventually(lambda: queue.taken["eager"] == 5 * number)  # noqa: B023  # it is asked at once
    eager.stop()
    queue.connect(5)
    await eventually(lambda: queue.taken["reluctant"] == 5)
    reluctant.stop()
