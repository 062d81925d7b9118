"""The socket on which one worker tells how it is."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

LONGEST_NOTICE_BYTES: Final = 65536


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
