"""The lines that workers wrote last, for whoever asks; a reader that is slow misses lines and is told how many."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from dynamo_core.logs.lines import lost_line, size_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from dynamo_core.provider.status import LogLine

KEPT_LINES: Final = 2000
KEPT_BYTES: Final = 2 * 1024 * 1024
PENDING_BYTES: Final = 2 * 1024 * 1024


class LogBook:
    """Keeps the last lines of a run and passes on new ones. Belongs to one event loop.

    Args:
        kept_lines: Most lines that are kept.
        kept_bytes: Most bytes that they may take.
    """

    def __init__(self, *, kept_lines: int = KEPT_LINES, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_lines = kept_lines
        self._kept_bytes = kept_bytes
        self._kept: deque[LogLine] = deque()
        self._bytes = 0
        self._readers: set[_Reader] = set()
        self._is_closed = False

    def write(self, lines: Sequence[LogLine]) -> None:
        """Take in lines; never waits."""
        kept = self._kept
        kept.extend(lines)
        self._bytes += size_of(lines)
        while len(kept) > self._kept_lines or self._bytes > self._kept_bytes:
            self._bytes -= size_of((kept.popleft(),))
        for reader in self._readers:
            reader.put(lines)

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
        reader.put(self._kept)
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
        self._bytes = 0
        self._dropped = 0

    def put(self, lines: Sequence[LogLine]) -> None:
        if self._service is not None:
            lines = [line for line in lines if line.service == self._service]
        if not lines:
            return
        size = size_of(lines)
        if self.lines and self._bytes + size > PENDING_BYTES:
            self._dropped += len(lines)
            return
        self.lines.extend(lines)
        self._bytes += size
        self.wake.set()

    def take(self) -> list[LogLine]:
        taken = list(self.lines)
        self.lines.clear()
        self._bytes = 0
        if self._dropped and taken:
            taken.append(lost_line(self._dropped, "they are read too slowly"))
            self._dropped = 0
        return taken
