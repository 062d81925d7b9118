"""Taking connections: bursts are shared with other workers, and descriptors may run out."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import Any

import pytest

from dynamo_core import accepting
from dynamo_core.accepting import ACCEPT_BATCH, Acceptor


class CountingListener:
    """A listening socket that counts, and may have no descriptors left."""

    def __init__(self) -> None:
        self._real = socket.create_server(("127.0.0.1", 0))
        self.turns: list[int] = []
        self.is_exhausted = False

    def accept(self) -> Any:
        if self.is_exhausted:
            self.turns.append(0)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._real.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.fixture
def listener():
    found = CountingListener()
    yield found
    found.close()


@pytest.fixture
def taken():
    """What has been accepted."""
    found: list[socket.socket] = []
    yield found
    for sock in found:
        sock.close()


@pytest.fixture
async def acceptor(listener, taken):
    """Accepts on *listener*."""
    found = Acceptor(listener, taken.append, whose="worker Backend/0")
    found.start()
    yield found
    found.stop()


def connect(listener: CountingListener, count: int) -> list[socket.socket]:
    return [socket.create_connection(listener.getsockname()) for _ in range(count)]


async def reach(found: list[Any], count: int) -> None:
    async with asyncio.timeout(10):
        while len(found) < count:
            await asyncio.sleep(0)


async def test_a_burst_is_taken_in_small_parts(listener, acceptor, taken):
    """Whoever else waits on the socket gets a turn between them."""
    loop = asyncio.get_running_loop()
    clients = connect(listener, 5 * ACCEPT_BATCH)
    others = 0
    seen = 0

    def look() -> None:
        nonlocal others, seen
        seen += 1
        others += len(taken) < len(clients)
        if others and seen < 1000:
            loop.call_soon(look)

    loop.call_soon(look)
    await reach(taken, len(clients))
    assert others >= 5
    for each in clients:
        each.close()


async def test_running_out_of_descriptors_does_not_spin(listener, acceptor, taken, monkeypatch):
    """The socket is asked once, and again after a pause."""
    monkeypatch.setattr(accepting, "ACCEPT_PAUSE_S", 3600.0)
    listener.is_exhausted = True
    clients = connect(listener, 1)
    await reach(listener.turns, 1)
    for _ in range(100):
        await asyncio.sleep(0)
    assert listener.turns == [0]
    assert not taken
    for each in clients:
        each.close()


async def test_accepting_goes_on_after_the_pause(listener, acceptor, taken, monkeypatch):
    """Somebody has closed something meanwhile."""
    monkeypatch.setattr(accepting, "ACCEPT_PAUSE_S", 0.01)
    listener.is_exhausted = True
    clients = connect(listener, 1)
    await reach(listener.turns, 2)
    listener.is_exhausted = False
    await reach(taken, 1)
    for each in clients:
        each.close()


async def test_accepting_goes_on_once_there_is_a_descriptor(listener, acceptor, taken, monkeypatch):
    """Whoever has closed a connection says so, and the pause is over."""
    monkeypatch.setattr(accepting, "ACCEPT_PAUSE_S", 3600.0)
    acceptor.descriptor_freed()  # before anything has run out
    listener.is_exhausted = True
    clients = connect(listener, 1)
    await reach(listener.turns, 1)
    assert acceptor.is_paused
    listener.is_exhausted = False
    acceptor.descriptor_freed()
    await reach(taken, 1)
    assert not acceptor.is_paused
    for each in clients:
        each.close()


async def test_running_out_is_told_once(listener, acceptor, taken, monkeypatch, caplog):
    """However often a descriptor is free for a moment."""
    monkeypatch.setattr(accepting, "ACCEPT_PAUSE_S", 3600.0)
    listener.is_exhausted = True
    clients = connect(listener, 1)
    for count in range(1, 50):
        await reach(listener.turns, count)
        acceptor.descriptor_freed()
    assert [record.getMessage() for record in caplog.records] == [
        "worker Backend/0: no connection can be accepted now, callers wait: [Errno 24] Too many open files"
    ]
    for each in clients:
        each.close()


async def test_running_out_again_is_told_again(listener, acceptor, taken, monkeypatch, caplog):
    """After a time without."""
    monkeypatch.setattr(accepting, "ACCEPT_PAUSE_S", 3600.0)
    monkeypatch.setattr(accepting, "WARN_INTERVAL_S", 0.0)
    listener.is_exhausted = True
    clients = connect(listener, 1)
    await reach(listener.turns, 1)
    acceptor.descriptor_freed()
    await reach(listener.turns, 2)
    assert len(caplog.records) == 2
    for each in clients:
        each.close()


async def test_broken_socket_is_not_asked_again(listener, acceptor, caplog, monkeypatch):
    """An error that no pause mends is told once."""
    monkeypatch.setattr(
        listener, "accept", lambda: (_ for _ in ()).throw(OSError(errno.EINVAL, "Invalid argument"))
    )
    clients = connect(listener, 1)
    await reach(caplog.records, 1)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(caplog.records) == 1
    assert not acceptor.is_paused
    for each in clients:
        each.close()


async def test_another_socket_takes_the_place(listener, acceptor, taken):
    """The path of the former one leads nowhere any more."""
    other = CountingListener()
    address = listener.getsockname()
    acceptor.relisten(other)
    clients = connect(other, 3)
    await reach(taken, 3)
    with socket.socket() as sock:
        assert sock.connect_ex(address) == errno.ECONNREFUSED
    acceptor.stop()
    late = CountingListener()
    acceptor.relisten(late)
    assert late.fileno() == -1
    for each in clients:
        each.close()


async def test_a_stopped_acceptor_lets_go_of_its_socket(listener):
    """Nobody waits in a queue that is not read."""
    acceptor = Acceptor(listener, lambda sock: sock.close(), whose="worker Backend/0")
    acceptor.start()
    address = listener.getsockname()
    acceptor.stop()
    acceptor.stop()
    with socket.socket() as sock:
        assert sock.connect_ex(address) == errno.ECONNREFUSED
