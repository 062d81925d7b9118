"""The supervisor's end of the socket pair that ties it to one worker.

The supervisor sends the bootstrap, then memberships: who serves what the worker depends on.
Its end of file is the worker's life-line: it means that the supervisor is gone.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque


class WorkerChannel:
    """Sends to one worker; one that does not read costs memory, not time.

    Belongs to the event loop it is made on.

    Args:
        end: This side's end, which this object closes.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[tuple[memoryview, int | None]] = deque()
        self._is_waiting = False
        end.setblocking(False)

    def send(self, data: bytes, *, descriptor: int | None = None) -> None:
        """Queue *data*, with a copy of a descriptor; what cannot reach the worker any more is dropped."""
        if self._end.fileno() >= 0:
            self._unsent.append((memoryview(data), None if descriptor is None else os.dup(descriptor)))
            if not self._is_waiting:
                self._write()

    def close(self) -> None:
        """Close it. Safe to call twice."""
        if self._end.fileno() >= 0:
            self._wait_for_room(wanted=False)
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
            self._wait_for_room(wanted=True)
            return
        except OSError:  # the worker has ended, which its process tells
            self._forget()
        self._wait_for_room(wanted=False)

    def _forget(self) -> None:
        for _, descriptor in self._unsent:
            if descriptor is not None:
                os.close(descriptor)
        self._unsent.clear()

    def _wait_for_room(self, *, wanted: bool) -> None:
        if wanted == self._is_waiting:
            return
        self._is_waiting = wanted
        if wanted:
            self._loop.add_writer(self._end.fileno(), self._write)
        else:
            self._loop.remove_writer(self._end.fileno())
