"""The lines that workers wrote last, and new ones as they come, for whoever asks."""

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
    """Keeps lines. Used from one event loop."""

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
        """No more lines come: readers end once they have what there is."""
        self._is_closed = True
        for reader in self._readers:
            reader.wake.set()

    async def read(self, service: str | None, *, follow: bool) -> AsyncGenerator[LogLine, None]:
        """Lines that are kept, then new ones until the book is closed.

        A reader that is too slow misses lines, and is told how many.

        Args:
            service: Name of the one service that is wanted; None for all.
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
        self._missed = 0

    def put(self, line: LogLine) -> None:
        if self._service not in {None, line.service}:
            return
        if len(self.lines) >= PENDING_LINES:
            self._missed += 1
            return
        self.lines.append(line)
        self.wake.set()

    def take(self) -> list[LogLine]:
        taken = list(self.lines)
        self.lines.clear()
        if self._missed and taken:
            text = f"dynamo: {self._missed} lines are missing here: they are read too slowly"
            taken.append(LogLine(service=taken[-1].service, slot=taken[-1].slot, text=text))
            self._missed = 0
        return taken
