"""What ties a run to one worker: a socket that only the worker reads, and one on which it tells how it is."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

LONGEST_NOTICE_BYTES: Final = 65536


class Lifeline:
    """Sends bootstrap and memberships to one worker; its end of file tells the worker that the run is gone.

    Args:
        end: This side's end; closed in the end.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[memoryview] = deque()
        self._is_waiting = False
        end.setblocking(False)

    def send(self, data: bytes) -> None:
        """Queue *data*; never waits, and what cannot reach the worker any more is dropped."""
        if self._end.fileno() >= 0:
            self._unsent.append(memoryview(data))
            self._write()

    def close(self) -> None:
        """Close it. Safe to call twice."""
        if self._end.fileno() >= 0:
            self._unsent.clear()
            self._wait_for_room(wanted=False)
            self._end.close()

    def _write(self) -> None:
        try:
            while self._unsent:
                sent = self._end.send(self._unsent[0])
                rest = self._unsent.popleft()[sent:]
                if rest:
                    self._unsent.appendleft(rest)
        except BlockingIOError:
            self._wait_for_room(wanted=True)
            return
        except OSError:  # the worker has ended, which its process tells
            self._unsent.clear()
        self._wait_for_room(wanted=False)

    def _wait_for_room(self, *, wanted: bool) -> None:
        if wanted and not self._is_waiting:
            self._loop.add_writer(self._end.fileno(), self._write)
        elif self._is_waiting and not wanted:
            self._loop.remove_writer(self._end.fileno())
        self._is_waiting = wanted


class NoticeSocket:
    """Hears what one worker tells by the sd_notify convention.

    Only the worker is told the path, which lies in the run's private directory.

    Args:
        path: Where to listen.
        told: Takes the fields of each notice.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, path: Path, told: Callable[[Mapping[str, str]], None]) -> None:
        self.path = path
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.bind(str(path))
            path.chmod(0o600)
        except BaseException:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket.fileno(), self._read)

    def close(self) -> None:
        """Take in what was told, and listen no more. Safe to call twice."""
        if self._socket.fileno() >= 0:
            self._read()
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                text = self._socket.recv(LONGEST_NOTICE_BYTES).decode("utf-8", "replace")
                pairs = (line.partition("=") for line in text.splitlines())
                self._told({name: value for name, _, value in pairs if name})
