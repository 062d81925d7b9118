"""The worker's end of the channel to its supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from typing import TYPE_CHECKING, Final, NoReturn

from dynamo_core.transport import MembershipReader

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping

    from dynamo_core.worker_kit.peers import Peers

READ_BYTES: Final = 65536
EXIT_LOST_SUPERVISOR: Final = 125


class SupervisorLine:
    """Takes in memberships, and tells the supervisor how the worker is.

    The end of file means that the supervisor is gone; the process then ends at once, with whatever else is in the
    group it leads.

    Args:
        channel: The socket; this object closes it.
        peers: Learns of memberships.
    """

    def __init__(self, channel: socket.socket, peers: Peers) -> None:
        self._channel = channel
        self._peers = peers
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

    def tell(self, fields: Mapping[str, str]) -> None:
        """Tell something, in the manner of sd_notify, from any thread; what cannot be told now is dropped."""
        with contextlib.suppress(OSError):
            self._channel.send(json.dumps(dict(fields)).encode() + b"\n")

    def _read(self) -> None:
        try:
            data = self._channel.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            _end_with_group()
        for service, members in self._reader.feed(data):
            self._peers.update(service, members)


def _end_with_group() -> NoReturn:
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(EXIT_LOST_SUPERVISOR)
