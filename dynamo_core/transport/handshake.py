"""The handshake: what both ends say before the first call.

It is read from the bare socket, since asyncio cannot receive the descriptor that may come with the first bytes.
"""

from __future__ import annotations

import array
import os
import socket
from typing import TYPE_CHECKING, Final

from dynamo_core.errors import HandshakeError, ProtocolError
from dynamo_core.transport.frames import CONNECTION, HELLO, REFUSE, WELCOME, FrameDecoder, encode_frame
from dynamo_core.transport.messages import (
    Hello,
    Refusal,
    VersionMismatchError,
    Welcome,
    decode_greeting,
    encode,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from dynamo_core.transport.frames import Frame

LARGEST_GREETING_BYTES: Final = 4096
_RECEIVE_BYTES: Final = 8192
_FDS: Final = 4
"""Descriptors to make room for; any but the first are closed."""


class RefusedError(HandshakeError):
    """The worker does not take the connection.

    Attributes:
        code: Why, as :class:`dynamo_core.transport.messages.Refusal` lists it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def wait_readable(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    """Wait until *sock* has something to read, or has ended."""
    readable = loop.create_future()
    fd = sock.fileno()
    loop.add_reader(fd, _set, readable)
    try:
        await readable
    finally:
        loop.remove_reader(fd)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


# --- the caller's side ---


def send_hello(sock: socket.socket, hello: Hello, page_fd: int | None) -> None:
    """Send the first frame, and a begun page with it.

    Raises:
        OSError: The peer is gone, or never was there.
    """
    frame = encode_frame(HELLO, body=encode(hello))
    ancillary = []
    if page_fd is not None:
        ancillary.append((socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [page_fd])))
    if sock.sendmsg([frame], ancillary) != len(frame):
        raise BlockingIOError("the socket took a part of the handshake only")


async def read_welcome(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, hello: Hello
) -> tuple[Welcome, bytes]:
    """Wait for the worker's answer.

    Returns:
        The answer, and the bytes that came after it.

    Raises:
        RefusedError: The worker does not take the connection, or is not the one that *hello* names.
        HandshakeError: The connection was closed.
        ProtocolError: The peer is no worker.
    """
    received = bytearray()
    while True:
        await wait_readable(loop, sock)
        try:
            data = sock.recv(_RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            continue
        except OSError as exc:
            raise HandshakeError(f"the connection was closed before the handshake was over: {exc}") from exc
        if not data:
            raise HandshakeError("the connection was closed before the handshake was over")
        received += data
        frame, leftover = split_greeting(received)
        if frame is not None:
            return _read_answer(frame, hello), leftover


def _read_answer(frame: Frame, hello: Hello) -> Welcome:
    kind, _, number, body = frame
    if number != CONNECTION or kind not in {WELCOME, REFUSE}:
        raise ProtocolError(f"a worker answers a handshake with WELCOME or REFUSE, got kind {kind}")
    if kind == REFUSE:
        try:
            refusal = decode_greeting(Refusal, body)
        except VersionMismatchError as exc:
            raise RefusedError("version", str(exc)) from exc
        raise RefusedError(refusal.code[:40], refusal.message[:500])
    welcome = decode_greeting(Welcome, body)
    problem = mismatch(hello, run_id=welcome.run_id, service=welcome.service, slot=welcome.slot)
    if problem is not None:
        raise RefusedError(problem.code, problem.message)
    return welcome


def split_greeting(received: bytearray) -> tuple[Frame | None, bytes]:
    """Give the first frame, once it is there, and the bytes after it.

    Raises:
        ProtocolError: This is no handshake; said before its body is waited for.
    """
    decoder = FrameDecoder(LARGEST_GREETING_BYTES, 2 * LARGEST_GREETING_BYTES)
    found: Iterator[Frame] = decoder.feed(received[: LARGEST_GREETING_BYTES + 4])
    for kind, flags, number, body in found:
        copy = memoryview(bytes(body))
        return (kind, flags, number, copy), bytes(received[10 + len(body) :])
    return None, b""


def mismatch(hello: Hello, *, run_id: str, service: str, slot: int) -> Refusal | None:
    """Why a caller and a worker do not belong together; None when they do."""
    if hello.run_id != run_id:
        return Refusal(code="run", message="the worker belongs to another run")
    if hello.service != service:
        return Refusal(
            code="service", message=f"the worker serves {service!r}, the caller wants {hello.service[:64]!r}"
        )
    if hello.slot is not None and hello.slot != slot:
        return Refusal(code="slot", message=f"the worker has slot {slot}, the caller wants slot {hello.slot}")
    return None


# --- the worker's side ---


class Greeter:
    """Receives a caller's first frame, and what descriptors come with it.

    Args:
        loop: The running loop.
        sock: The accepted socket, non-blocking.

    Attributes:
        page_fd: The descriptor that came; -1 for none. :meth:`close` closes it unless it was taken.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self._loop = loop
        self._sock = sock
        self._received = bytearray()
        self.page_fd = -1

    async def read_hello(self) -> Hello:
        """Wait for the first frame.

        Raises:
            HandshakeError: The connection was closed.
            ProtocolError: The peer is no caller.
        """
        while True:
            await wait_readable(self._loop, self._sock)
            if not self._receive():
                continue
            frame, leftover = split_greeting(self._received)
            if frame is None:
                continue
            kind, _, number, body = frame
            if kind != HELLO or number != CONNECTION or leftover:
                raise ProtocolError("a caller begins with HELLO, and waits for the answer")
            return decode_greeting(Hello, body)

    def _receive(self) -> bool:
        try:
            data, ancillary, _, _ = self._sock.recvmsg(
                _RECEIVE_BYTES, socket.CMSG_SPACE(_FDS * array.array("i").itemsize)
            )
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as exc:
            raise HandshakeError(f"the connection was closed before the handshake was over: {exc}") from exc
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self._take_fds(content)
        if not data:
            raise HandshakeError("the connection was closed before the handshake was over")
        self._received += data
        return True

    def _take_fds(self, content: bytes) -> None:
        fds = array.array("i")
        fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
        for fd in fds:
            if self.page_fd < 0:
                self.page_fd = fd
            else:
                os.close(fd)

    def take_page_fd(self) -> int:
        """Give the descriptor to the caller of this; -1 for none."""
        fd, self.page_fd = self.page_fd, -1
        return fd

    def close(self) -> None:
        """Close the descriptor. Safe to call twice."""
        if self.page_fd >= 0:
            os.close(self.page_fd)
            self.page_fd = -1


def send_answer(sock: socket.socket, answer: Welcome | Refusal) -> None:
    """Answer a caller.

    Raises:
        OSError: The caller is gone.
    """
    kind = WELCOME if isinstance(answer, Welcome) else REFUSE
    frame = encode_frame(kind, body=encode(answer))
    if sock.send(frame) != len(frame):
        raise BlockingIOError("the socket took a part of the handshake only")
