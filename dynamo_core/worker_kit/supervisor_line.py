"""What a worker is told by its supervisor while it serves, over the channel that its bootstrap came through."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Final

from dynamo_core.transport import MembershipReader
from dynamo_core.worker_kit.life_line import end_with_group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynamo_core.worker_kit.peers import Peers
    from dynamo_core.worker_kit.serving import Renewals

READ_BYTES: Final = 65536
_FD: Final = struct.Struct("i")
_FD_ROOM: Final = socket.CMSG_SPACE(4 * _FD.size) if hasattr(socket, "CMSG_SPACE") else 0
_CLOSE_ON_EXEC: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class SupervisorLine:
    """Takes in memberships, listening sockets and the stop time.

    The end of file means that the supervisor is gone; the process then ends at once, with whatever else is in the
    group it leads. :mod:`dynamo_core.worker_kit.life_line` notices that where nothing is read.

    Args:
        channel: The socket; this object closes it.
        peers: Learns of memberships.
        renewals: Gets the sockets that the supervisor has made anew.
    """

    def __init__(self, channel: socket.socket, peers: Peers, renewals: Renewals) -> None:
        self._channel = channel
        self._peers = peers
        self._renewals = renewals
        self._reader = MembershipReader()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Listen for as long as the block lasts."""
        loop = asyncio.get_running_loop()
        self._channel.setblocking(False)
        loop.add_reader(self._channel.fileno(), self._read)
        try:
            yield
        finally:
            loop.remove_reader(self._channel.fileno())
            self._channel.close()

    def stop_told(self) -> tuple[float, float] | None:
        """Seconds that the worker may take to stop, as the supervisor has told it, and when; None while it has not."""
        return self._reader.stop_told

    def _read(self) -> None:
        try:
            data, ancillary, _, _ = self._channel.recvmsg(READ_BYTES, _FD_ROOM, _CLOSE_ON_EXEC)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, ancillary = b"", []
        if not data:
            end_with_group()
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                for (descriptor,) in _FD.iter_unpack(content[: len(content) // _FD.size * _FD.size]):
                    self._renewals.take(adopt_socket(descriptor))
        for service, members, refusal in self._reader.feed(data):
            self._peers.update(service, members, refusal)


def adopt_socket(descriptor: int) -> socket.socket:
    """Take over an inherited listening socket; what this process starts does not get it."""
    found = socket.socket(fileno=descriptor)
    found.set_inheritable(False)
    found.setblocking(False)
    return found
