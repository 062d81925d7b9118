"""Taking connections: bursts are shared with other workers, and descriptors may run out."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import Any

import pytest

from dynamo_core.http import accepting
from dynamo_core.http.accepting import ACCEPT_BATCH, Acceptor


class Sink(asyncio.Protocol):
    """Keeps what it was connected to."""

    def __init__(self, made: list[asyncio.BaseTransport]) -> None:
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made.append(transport)


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
async def made(listener):
    """What an acceptor on *listener* has made."""
    found: list[asyncio.BaseTransport] = []
    acceptor = Acceptor(listener, lambda: Sink(found), tls=None, handshake_timeout_s=5)
    acceptor.start()
    yield found
    acceptor.stop()
    for transport in found:
        transport.abort()  # type: ignore[attr-defined]
    await asyncio.sleep(0)


def connect(listener: CountingListener, count: int) -> list[socket.socket]:
    return [socket.create_connection(listener.getsockname()) for _ in range(count)]


async def reach(found: list[Any], count: int) -> None:
    async with asyncio.timeout(10):
        while len(found) < count:
            await asyncio.sleep(0)


async def test_a_burst_is_taken_in_small_parts(listener, made):
    """Whoever else waits on the socket gets a turn between them."""
    loop = asyncio.get_running_loop()
    clients = connect(listener, 5 * ACCEPT_BATCH)
    others = 0
    seen = 0

    def look() -> None:
        nonlocal others, seen
        seen += 1
        others += len(made) < len(clients)
        if others and seen < 1000:
            loop.call_soon(look)

    loop.call_soon(look)
    await reach(made, len(clients))
    assert others >= 5
    for each in clients:
        each.close()


async def test_running_out_of_descriptors_does_not_spin(listener, made, monkeypatch):
    """The socket is asked once, and again after a pause."""
    monkeypatch.setattr(accepting, "ACCEPT_PAUSE_S", 3600.0)
    listener.is_exhausted = True
    clients = connect(listener, 1)
    await reach(listener.turns, 1)
    for _ in range(100):
        await asyncio.sleep(0)
    assert listener.turns == [0]
    assert not made
    for each in clients:
        each.close()


async def test_accepting_goes_on_after_the_pause(listener, made, monkeypatch):
    """Somebody has closed something meanwhile."""
    monkeypatch.setattr(accepting, "ACCEPT_PAUSE_S", 0.01)
    listener.is_exhausted = True
    clients = connect(listener, 1)
    await reach(listener.turns, 2)
    listener.is_exhausted = False
    await reach(made, 1)
    for each in clients:
        each.close()


async def test_a_stopped_acceptor_lets_go_of_its_socket(listener):
    """Nobody waits in a queue that is not read."""
    acceptor = Acceptor(listener, lambda: Sink([]), tls=None, handshake_timeout_s=5)
    acceptor.start()
    address = listener.getsockname()
    acceptor.stop()
    acceptor.stop()
    with socket.socket() as sock:
        assert sock.connect_ex(address) == errno.ECONNREFUSED
