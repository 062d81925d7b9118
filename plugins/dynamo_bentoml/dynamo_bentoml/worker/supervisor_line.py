"""The worker's end of the channel to its supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import struct
from typing import TYPE_CHECKING, Final, NoReturn

from dynamo_core.transport import MembershipReader
from dynamo_core.worker_kit.supervised import adopt_socket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dynamo_core.worker_kit.peers import Peers
    from dynamo_core.worker_kit.serving import Renewals

READ_BYTES: Final = 65536
EXIT_LOST_SUPERVISOR: Final = 125
_FD: Final = struct.Struct("i")
_FD_ROOM: Final = socket.CMSG_SPACE(4 * _FD.size)


class SupervisorLine:
    """Takes in memberships and listening sockets, and tells the supervisor how the worker is.

    The end of file means that the supervisor is gone; the process then ends at once, with whatever else is in the
    group it leads.

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

    def stop_within_s(self) -> float | None:
        """Seconds that the worker may take to stop, as the supervisor has told it; None while it has not."""
        return self._reader.stop_within_s

    def tell(self, fields: Mapping[str, str]) -> None:
        """Tell something, in the manner of sd_notify, from any thread; what cannot be told now is dropped."""
        with contextlib.suppress(OSError):
            self._channel.send(json.dumps(dict(fields)).encode() + b"\n")

    def _read(self) -> None:
        try:
            data, ancillary, _, _ = self._channel.recvmsg(READ_BYTES, _FD_ROOM, socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, ancillary = b"", []
        if not data:
            _end_with_group()
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                for (descriptor,) in _FD.iter_unpack(content[: len(content) // _FD.size * _FD.size]):
                    self._renewals.take(adopt_socket(descriptor))
        for service, members, refusal in self._reader.feed(data):
            self._peers.update(service, members, refusal)


def _end_with_group() -> NoReturn:
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(EXIT_LOST_SUPERVISOR)
