"""Making one connection to a worker, from the caller's side."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING

import attrs

from dynamo_core.errors import HandshakeError
from dynamo_core.transport.begun import BegunPage
from dynamo_core.transport.client_connection import ClientConnection
from dynamo_core.transport.handshake import read_welcome, send_hello
from dynamo_core.transport.messages import Hello
from dynamo_core.transport.peer_credentials import is_own_user

try:
    import fcntl
    import termios

    _UNREAD = termios.TIOCOUTQ
except (ImportError, AttributeError):  # no such question can be asked there
    _UNREAD = -1

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynamo_core.transport.limits import TransportLimits
    from dynamo_core.transport.messages import Welcome


@attrs.frozen(kw_only=True)
class Target:
    """The worker that is wanted.

    Attributes:
        path: Its socket.
        run_id: Id of the run that it must belong to.
        service: Service that it must serve.
        slot: Slot that it must have; None takes any.
    """

    path: str
    run_id: str
    service: str
    slot: int | None


async def connect(
    target: Target, limits: TransportLimits, note: Callable[[str], None] | None = None
) -> ClientConnection:
    """Connect, shake hands, and give a connection that is ready for calls.

    That a socket takes the connection proves nothing: a supervisor may hold it while no worker is there. So the
    time limit of the handshake counts once the worker has read what it was told; until then this waits.

    Args:
        target: The worker.
        limits: Of this side.
        note: Hears what is waited for, each time the limit has passed.

    Raises:
        HandshakeError: The worker refused, did not answer in time, or belongs to another user.
        ProtocolError: What answers is no worker.
        OSError: Nobody listens, or the socket's queue is full (``BlockingIOError``).
    """
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    page: BegunPage | None = None
    try:
        sock.setblocking(False)
        sock.connect(target.path)  # at once, or not at all: a unix socket's queue is taken or full
        if not is_own_user(sock):
            raise HandshakeError("its socket belongs to another user")
        page = BegunPage.create()
        hello = Hello(
            run_id=target.run_id,
            service=target.service,
            slot=target.slot,
            max_frame_bytes=limits.max_frame_bytes,
            stream_window_items=limits.stream_window_items,
            stream_window_bytes=limits.stream_window_bytes,
            passes_page=page is not None,
            takes_tails=True,
        )
        send_hello(sock, hello, None if page is None else page.fd)
        welcome, leftover = await _await_welcome(loop, sock, hello, limits.handshake_timeout_s, note)
        if page is not None:
            page.passed()
            if not welcome.marks_page:
                page.close()
                page = None
        connection = ClientConnection(loop, welcome, page, limits)
        await loop.create_unix_connection(lambda: connection, sock=sock)
        if leftover:
            connection.receive_leftover(leftover)
    except BaseException:
        sock.close()
        if page is not None:
            page.close()
        raise
    return connection


async def _await_welcome(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    hello: Hello,
    timeout_s: float,
    note: Callable[[str], None] | None,
) -> tuple[Welcome, bytes]:
    began = time.monotonic()
    while True:
        try:
            async with asyncio.timeout(timeout_s):
                return await read_welcome(loop, sock, hello)
        except TimeoutError:
            waited_s = time.monotonic() - began
            if not _is_unread(sock):
                raise HandshakeError(f"it did not answer the handshake within {timeout_s:g} s") from None
            if note is not None:
                note(f"no worker has taken the connection for {waited_s:.0f} s")


def _is_unread(sock: socket.socket) -> bool:
    """Whether what was sent still waits to be read by somebody."""
    if _UNREAD < 0:
        return False
    unread = fcntl.ioctl(sock.fileno(), _UNREAD, b"\0\0\0\0")
    return any(unread)
