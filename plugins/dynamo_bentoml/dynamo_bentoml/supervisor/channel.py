"""The supervisor's end of the socket pair that ties it to one worker.

The supervisor sends the bootstrap, what BentoML needs besides, and memberships; the worker sends lines of JSON that
tell how it is. For either, the end of file means that the other one is gone.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import msgspec

from dynamo_core.supervision.channel import WorkerChannel

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

logger = logging.getLogger(__name__)

READ_BYTES: Final = 65536
LONGEST_LINE_BYTES: Final = 65536

_decode: Final = msgspec.json.Decoder(dict[str, str]).decode


class ReportingChannel(WorkerChannel):
    """A channel on which the worker tells how it is.

    Args:
        end: The supervisor's end; this object closes it.
        told: Takes what the worker tells, as fields in the manner of sd_notify.
    """

    def __init__(self, end: socket.socket, told: Callable[[Mapping[str, str]], None]) -> None:
        super().__init__(end)
        self._told = told
        self._received = b""
        self._loop.add_reader(end.fileno(), self._read)

    def close(self) -> None:
        """Close it, once what the worker has said has been taken in. Safe to call twice."""
        if self._end.fileno() >= 0:
            self._read()
            self._loop.remove_reader(self._end.fileno())
            super().close()

    def _read(self) -> None:
        try:
            data = self._end.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._end.fileno())
            return
        *lines, self._received = (self._received + data).split(b"\n")
        if len(self._received) > LONGEST_LINE_BYTES:
            logger.warning("a worker sends what is no line; it is not listened to any more")
            self._loop.remove_reader(self._end.fileno())
            return
        for line in lines:
            try:
                fields = _decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                logger.warning("a worker has sent a line that cannot be read")
                continue
            self._told(fields)
