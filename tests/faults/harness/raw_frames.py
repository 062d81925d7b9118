"""The wire format by hand: what no proper caller sends to a socket of a run."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from dynamo_core.transport.frames import BEGIN, HELLO, encode_frame
from dynamo_core.transport.messages import Hello, encode, encode_call_head

PATIENCE_S = 10.0
_KIND = 4


@dataclass(frozen=True)
class Reaction:
    """What a socket did with what it was sent.

    Attributes:
        frames: Kind and body of each frame that came back.
        is_closed: Whether the peer closed the connection.
        seconds: How long it took until the last of that.
    """

    frames: list[tuple[int, bytes]]
    is_closed: bool
    seconds: float


def hello(run_id: str, service: str, **changes: Any) -> bytes:
    """The first frame of a caller."""
    fields: dict[str, Any] = {
        "run_id": run_id,
        "service": service,
        "slot": 0,
        "max_frame_bytes": 1 << 20,
        "stream_window_items": 10,
        "stream_window_bytes": 1 << 20,
    }
    return encode_frame(HELLO, body=encode(Hello(**{**fields, **changes})))


def call(endpoint: str, arguments: bytes, *, number: int = 1, flags: int = 0) -> bytes:
    """A call of an endpoint."""
    return encode_call_head(number, flags, endpoint.encode(), 0, b"", len(arguments)) + arguments


def packed(value: object) -> bytes:
    """A value as msgpack."""
    return msgspec.msgpack.encode(value)


async def send(path: Path, first: bytes, then: bytes = b"", *, ends: bool = False) -> Reaction:
    """Send bytes on a connection of their own, and see what comes of it.

    Args:
        path: The socket.
        first: What is sent at once.
        then: What is sent once something has come back.
        ends: Whether nothing more will be sent, and the peer can tell.
    """
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, str(path))
        received = b""
        is_closed = False
        with contextlib.suppress(ConnectionError):
            await loop.sock_sendall(sock, first)
            if then:
                received += await _receive(loop, sock)
                await loop.sock_sendall(sock, then)
            if ends:
                sock.shutdown(socket.SHUT_WR)
        wanted = 2 if then else 1
        try:
            while sum(kind != BEGIN for kind, _ in _split(received)) < wanted:
                part = await _receive(loop, sock)
                received += part
                if not part:
                    is_closed = True
                    break
        except ConnectionError:
            is_closed = True
        except TimeoutError:
            pass
    return Reaction(_split(received), is_closed, time.monotonic() - began)


async def _receive(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        return await loop.sock_recv(sock, 65536)


def _split(received: bytes) -> list[tuple[int, bytes]]:
    found = []
    while len(received) > _KIND and len(received) >= (end := 4 + int.from_bytes(received[:4], "big")):
        found.append((received[_KIND], received[10:end]))
        received = received[end:]
    return found
