"""The lines that workers wrote last, for whoever asks; a reader that is slow misses lines and is told how many."""

from __future__ import annotations

import asyncio
import heapq
import operator
from collections import deque
from typing import TYPE_CHECKING, Final

from dynamo_core.logs.lines import lost_line, size_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from dynamo_core.provider.status import LogLine

KEPT_LINES: Final = 2000
KEPT_BYTES: Final = 2 * 1024 * 1024
PENDING_BYTES: Final = 2 * 1024 * 1024


class _Kept:
    """What is kept of one service: batches with their numbers and sizes, oldest first."""

    def __init__(self) -> None:
        self.batches: deque[tuple[int, Sequence[LogLine], int]] = deque()
        self.lines = 0
        self.bytes = 0


class LogBook:
    """Keeps the last lines of a run and passes on new ones. Belongs to one event loop.

    Whoever has written most loses its oldest lines first, so that a flood leaves those of quiet services.

    Args:
        kept_lines: Most lines that are kept, but for some that were read at once with the first of them.
        kept_bytes: Most bytes that they may take, likewise.
    """

    def __init__(self, *, kept_lines: int = KEPT_LINES, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_lines = kept_lines
        self._kept_bytes = kept_bytes
        self._kept: dict[str, _Kept] = {}
        self._written = 0
        self._lines = 0
        self._bytes = 0
        self._readers: set[_Reader] = set()
        self._is_closed = False

    def write(self, lines: Sequence[LogLine]) -> None:
        """Take in lines of one worker; never waits."""
        size = size_of(lines)
        service = lines[0].service
        kept = self._kept.get(service)
        if kept is None:
            kept = self._kept[service] = _Kept()
        self._written += 1
        kept.batches.append((self._written, lines, size))
        self._count(kept, len(lines), size)
        while self._lines > self._kept_lines and self._drop(max(self._kept.values(), key=_lines_of)):
            pass
        while self._bytes > self._kept_bytes and self._drop(max(self._kept.values(), key=_bytes_of)):
            pass
        for reader in self._readers:
            reader.put(lines, size)

    def _drop(self, kept: _Kept) -> bool:
        """Drop the oldest batch of one service, if as much as is wanted is left without it; whether it was."""
        _, lines, size = kept.batches[0]
        if self._lines - len(lines) < self._kept_lines and self._bytes - size < self._kept_bytes:
            return False
        kept.batches.popleft()
        self._count(kept, -len(lines), -size)
        return True

    def _count(self, kept: _Kept, lines: int, size: int) -> None:
        kept.lines += lines
        kept.bytes += size
        self._lines += lines
        self._bytes += size

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
        for _, lines, size in heapq.merge(*(kept.batches for kept in self._kept.values()), key=_number_of):
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


_lines_of: Final = operator.attrgetter("lines")
_bytes_of: Final = operator.attrgetter("bytes")
_number_of: Final = operator.itemgetter(0)


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
