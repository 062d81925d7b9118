"""The supervisor's end of the socket pair that ties it to one worker.

The supervisor sends the bootstrap, what BentoML needs besides, and memberships; the worker sends lines of JSON that
tell how it is. For either, the end of file means that the other one is gone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger(__name__)

READ_BYTES: Final = 65536
LONGEST_LINE_BYTES: Final = 65536

_decode: Final = msgspec.json.Decoder(dict[str, str]).decode


class WorkerChannel:
    """Never waits: a worker that does not read costs memory, not time.

    Args:
        end: The supervisor's end; this object closes it.
        told: Takes what the worker tells, as fields in the manner of sd_notify.
    """

    def __init__(self, end: socket.socket, told: Callable[[Mapping[str, str]], None]) -> None:
        self._end = end
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[tuple[memoryview, int | None]] = deque()
        self._is_writing = False
        self._received = b""
        end.setblocking(False)
        self._loop.add_reader(end.fileno(), self._read)

    def send(self, data: bytes, *, descriptor: int | None = None) -> None:
        """Queue *data*, with a copy of a descriptor; what cannot reach the worker any more is dropped."""
        if self._end.fileno() >= 0:
            self._unsent.append((memoryview(data), None if descriptor is None else os.dup(descriptor)))
            if not self._is_writing:
                self._write()

    def close(self) -> None:
        """Close it, once what the worker has said has been taken in. Safe to call twice."""
        if self._end.fileno() < 0:
            return
        self._read()
        self._watch_writing(wanted=False)
        self._loop.remove_reader(self._end.fileno())
        self._forget()
        self._end.close()

    def _write(self) -> None:
        try:
            while self._unsent:
                data, descriptor = self._unsent[0]
                if descriptor is None:
                    sent = self._end.send(data)
                else:
                    sent = socket.send_fds(self._end, [data], [descriptor])
                    os.close(descriptor)
                if sent == len(data):
                    self._unsent.popleft()
                else:
                    self._unsent[0] = data[sent:], None
        except BlockingIOError:
            self._watch_writing(wanted=True)
            return
        except OSError:  # the worker has ended; its process tells
            self._forget()
        self._watch_writing(wanted=False)

    def _forget(self) -> None:
        for _, descriptor in self._unsent:
            if descriptor is not None:
                os.close(descriptor)
        self._unsent.clear()

    def _watch_writing(self, *, wanted: bool) -> None:
        if wanted != self._is_writing:
            self._is_writing = wanted
            if wanted:
                self._loop.add_writer(self._end.fileno(), self._write)
            else:
                self._loop.remove_writer(self._end.fileno())

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
