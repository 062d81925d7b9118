"""Readiness by the sd_notify convention: datagrams of ``KEY=VALUE`` lines to the socket ``NOTIFY_SOCKET`` names.

Workers, ours and custom ones, send with :func:`dynamo_core.provider.notify` or any library that knows the convention.
The supervisor receives with :class:`NotifySocket`; who sent is told by the kernel, never by the message.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from dynamo_core.control.run_directory import identify
from dynamo_core.worker_kit.imported_files import WATCH_KEY

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

KEYS: Final = frozenset({"READY", "STATUS", "STOPPING", "WATCHDOG", WATCH_KEY})
"""Keys that are listened to; MAINPID and all others are not, since the kernel says which process is which."""

LARGEST_MESSAGE_BYTES: Final = 4096
LONGEST_STATUS: Final = 256

_CREDENTIALS: Final = struct.Struct("3i")
_DESCRIPTOR: Final = struct.Struct("i")
_MOST_DESCRIPTORS: Final = 253  # SCM_MAX_FD: the kernel lets nobody send more at once
_ANCILLARY_BYTES: Final = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(
    _MOST_DESCRIPTORS * _DESCRIPTOR.size
)
_MESSAGES_PER_TURN: Final = 64

Received = Callable[[int, Mapping[str, str]], None]
"""Called with the sender's pid and what it said."""


class NotifySocket:
    """Where the workers of one run send their notifications.

    Args:
        path: Where to bind; in a directory of mode 0700.
        received: Called on the event loop for each message that says something known.

    Attributes:
        path: Where it is bound; workers get it as ``NOTIFY_SOCKET``.
        dropped: Messages that were not understood or came from another user.
    """

    def __init__(self, path: Path, received: Received) -> None:
        self.path = path
        self.dropped = 0
        self._received = received
        self._loop: asyncio.AbstractEventLoop | None = None
        self._socket: socket.socket | None = None
        self._identity: tuple[int, int] | None = None

    def open(self) -> None:
        """Bind the socket and start to listen on the running event loop; may be done again after :meth:`close`.

        Raises:
            OSError: The path is taken, too long, or its directory is gone.
        """
        receiving = socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        try:
            os.fchmod(receiving.fileno(), 0o600)  # Linux binds with this mode, so that it is never wider
            receiving.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            receiving.bind(os.fspath(self.path))
            self.path.chmod(0o600)
            self._identity = identify(self.path)
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(receiving.fileno(), self._read_waiting)
        except BaseException:
            receiving.close()
            raise
        self._socket = receiving

    def close(self) -> None:
        """Stop listening, and remove the path if it still leads to this socket. Safe to call twice."""
        if self._socket is None or self._loop is None:
            return
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        if identify(self.path) == self._identity:
            with contextlib.suppress(OSError):
                self.path.unlink()

    @property
    def is_reachable(self) -> bool:
        """Whether it is open and its path still leads to it; if not, workers are no longer heard."""
        return self._socket is not None and identify(self.path) == self._identity

    def _read_waiting(self) -> None:
        """Take what is waiting, but not for ever: a flood of messages must not keep the loop from its work."""
        for _ in range(_MESSAGES_PER_TURN):
            if self._socket is None:
                return
            try:
                content, ancillary, flags, _ = self._socket.recvmsg(
                    LARGEST_MESSAGE_BYTES, _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC
                )
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                logger.warning("cannot read a notification: %s", error)
                return
            pid = _sender(ancillary)
            values = {} if flags & socket.MSG_TRUNC else parse(content)
            if pid is None or not values:
                self.dropped += 1
                continue
            try:
                self._received(pid, values)
            except Exception:
                logger.exception("a notification of process %s was not handled", pid)


def parse(content: bytes) -> dict[str, str]:
    """What a message says, by key; unknown keys and lines without a value are left out.

    All files to watch that a message names are one value, one a line.

    Control characters in a status are replaced, since it is shown on terminals.
    """
    values: dict[str, str] = {}
    for line in content.decode("utf-8", "replace").split("\n"):
        key, sign, value = line.partition("=")
        if sign and key in KEYS:
            values[key] = f"{values[key]}\n{value}" if key == WATCH_KEY and key in values else value
    if "STATUS" in values:
        shown = values["STATUS"][:LONGEST_STATUS]
        values["STATUS"] = "".join(
            letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in shown
        )
    return values


def session_of(pid: int) -> int | None:
    """The session of a process; None when it is gone, and nothing can be said about it any more."""
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def workers_of(sender_pid: int) -> Iterator[int]:
    """Ids that the worker which a sender belongs to can have: the sender's own, or that of its session, which it leads."""
    yield sender_pid
    session = session_of(sender_pid)
    if session is not None:
        yield session


def _sender(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    """The sender's pid as the kernel tells it; closes every descriptor that was sent along."""
    pid: int | None = None
    for level, kind, content in ancillary:
        if level != socket.SOL_SOCKET:
            continue
        if kind == socket.SCM_RIGHTS:
            for (descriptor,) in _DESCRIPTOR.iter_unpack(
                content[: len(content) // _DESCRIPTOR.size * _DESCRIPTOR.size]
            ):
                os.close(descriptor)
        elif kind == socket.SCM_CREDENTIALS and len(content) >= _CREDENTIALS.size:
            sender, uid, _ = _CREDENTIALS.unpack_from(content)
            if uid == os.geteuid() and sender > 0:
                pid = sender
    return pid
