"""The lines that workers wrote last, for whoever asks; a reader that is slow misses lines and is told how many."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from dynamo_core.provider import LogLine

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

KEPT_LINES: Final = 2000
PENDING_LINES: Final = 10_000


class LogBook:
    """Keeps the last lines of a run and passes on new ones."""

    def __init__(self) -> None:
        self._kept: deque[LogLine] = deque(maxlen=KEPT_LINES)
        self._readers: set[_Reader] = set()
        self._is_closed = False

    def write(self, line: LogLine) -> None:
        """Take one line; never waits."""
        self._kept.append(line)
        for reader in self._readers:
            reader.put(line)

    def close(self) -> None:
        """End every reader once it has what there is."""
        self._is_closed = True
        for reader in self._readers:
            reader.wake.set()

    async def read(self, service: str | None = None, *, follow: bool) -> AsyncGenerator[LogLine, None]:
        """The kept lines, then new ones until the book is closed if they are wanted.

        Args:
            service: Name of the one service wanted; None for all.
            follow: Whether new ones are wanted.
        """
        reader = _Reader(service)
        for line in self._kept:
            reader.put(line)
        self._readers.add(reader)
        try:
            while True:
                for line in reader.take():
                    yield line
                if (self._is_closed or not follow) and not reader.lines:
                    return
                await reader.wake.wait()
                reader.wake.clear()
        finally:
            self._readers.discard(reader)


class _Reader:
    def __init__(self, service: str | None) -> None:
        self.lines: deque[LogLine] = deque()
        self.wake = asyncio.Event()
        self._service = service
        self._dropped = 0

    def put(self, line: LogLine) -> None:
        if self._service not in {None, line.service}:
            return
        if len(self.lines) >= PENDING_LINES:
            self._dropped += 1
            return
        self.lines.append(line)
        self.wake.set()

    def take(self) -> list[LogLine]:
        taken = list(self.lines)
        self.lines.clear()
        if self._dropped and taken:
            text = f"dynamo: {self._dropped} lines were dropped: they are read too slowly"
            taken.append(LogLine(service=taken[-1].service, slot=taken[-1].slot, text=text))
            self._dropped = 0
        return taken
