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
        kept_lines: Most lines that are kept, but for some that were read at once with the first of them.
        kept_bytes: Most bytes that they may take, likewise.
    """

    def __init__(self, *, kept_lines: int = KEPT_LINES, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_lines = kept_lines
        self._kept_bytes = kept_bytes
        self._kept: deque[tuple[Sequence[LogLine], int]] = deque()
        self._lines = 0
        self._bytes = 0
        self._readers: set[_Reader] = set()
        self._is_closed = False

    def write(self, lines: Sequence[LogLine]) -> None:
        """Take in lines of one worker; never waits."""
        size = size_of(lines)
        self._kept.append((lines, size))
        self._lines += len(lines)
        self._bytes += size
        first, first_size = self._kept[0]
        while self._lines - len(first) >= self._kept_lines or self._bytes - first_size >= self._kept_bytes:
            self._kept.popleft()
            self._lines -= len(first)
            self._bytes -= first_size
            first, first_size = self._kept[0]
        for reader in self._readers:
            reader.put(lines, size)

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
        for lines, size in self._kept:
            reader.put(lines, size)
        self._readers.add(reader)
        try:
            while True:
                for lines in reader.take():
                    for line in lines:
                        yield line
                if (self._is_closed or not follow) and not reader.pending:
                    return
                await reader.wake.wait()
                reader.wake.clear()
        finally:
            self._readers.discard(reader)


class _Reader:
    def __init__(self, service: str | None) -> None:
        self.pending: list[Sequence[LogLine]] = []
        self.wake = asyncio.Event()
        self._service = service
        self._bytes = 0
        self._dropped = 0

    def put(self, lines: Sequence[LogLine], size: int) -> None:
        if self._service not in {None, lines[0].service}:
            return
        if self.pending and self._bytes + size > PENDING_BYTES:
            self._dropped += len(lines)
            return
        self.pending.append(lines)
        self._bytes += size
        self.wake.set()

    def take(self) -> list[Sequence[LogLine]]:
        taken, self.pending, self._bytes = self.pending, [], 0
        if self._dropped:
            taken.append([lost_line(self._dropped, "they are read too slowly")])
            self._dropped = 0
        return taken
