"""Log files: one per service, rotated by size, written by threads so that a slow or full disk stops nothing."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from dynamo_core.logs.lines import lost_line, size_of
from dynamo_core.logs.rendering import render_file_text, render_json
from dynamo_core.logs.spool import Spool, write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dynamo_core.logs.directory import LogDirectory
    from dynamo_core.logs.settings import LogFileSettings
    from dynamo_core.provider.status import LogLine

logger = logging.getLogger(__name__)

PENDING_BYTES: Final = 1024 * 1024
PARTS_OF_A_FILE: Final = 8
"""Lines that were read at once are written at once up to that part of a file's size."""

RETRY_S: Final = 1.0
"""Between two tries to write a file that could not be written."""

WARNING_INTERVAL_S: Final = 60.0
"""Between two warnings about one file: on a disk that is nearly full, some lines fit and others do not."""


class LogFiles:
    """Writes lines into the file of their service.

    Each file has a thread and a bounded queue of its own: neither a slow disk nor the flood of another service keeps
    anybody waiting, and what does not fit is counted in the file.

    Args:
        directory: Open; closed by :meth:`close`.
        settings: Sizes and form.
        retry_s: Seconds between two tries to write a file that could not be written.
    """

    def __init__(
        self, directory: LogDirectory, settings: LogFileSettings, *, retry_s: float = RETRY_S
    ) -> None:
        self._directory = directory
        self._settings = settings
        self._retry_s = retry_s
        self._files: dict[str, LogFile] = {}
        self._spools: dict[str, Spool[Sequence[LogLine]]] = {}

    def write(self, lines: Sequence[LogLine]) -> None:
        """Have *lines*, all of one service, written; never waits."""
        service = lines[0].service
        spool = self._spools.get(service)
        if spool is None:
            spool = self._spools[service] = self._open_spool(service)
        spool.put(lines, size=size_of(lines), lines=len(lines))

    def close(self, timeout_s: float = 1.0) -> None:
        """Write what is pending, for at most *timeout_s* seconds in all, and close the directory."""
        deadline = time.monotonic() + timeout_s
        left = [spool.close(max(0.0, deadline - time.monotonic())) for spool in self._spools.values()]
        if all(left):  # otherwise a thread hangs in a write, and needs its descriptors
            for file in self._files.values():
                file.close()
            self._directory.close()

    def _open_spool(self, service: str) -> Spool[Sequence[LogLine]]:
        file = LogFile(self._directory, f"{service}.log", self._settings, retry_s=self._retry_s)
        self._files[service] = file
        return Spool(file.write, name=f"dynamo-log-{service}", most_bytes=PENDING_BYTES)


class LogFile:
    """One log file, from the side of the thread that writes it.

    What cannot be written is dropped and counted; one warning says so, and the file is tried again from time to time.

    Args:
        directory: Where it is.
        name: Its name there.
        settings: Its sizes and form.
        retry_s: Seconds between two tries.
        clock: Seconds that only ever grow.
    """

    def __init__(
        self,
        directory: LogDirectory,
        name: str,
        settings: LogFileSettings,
        *,
        retry_s: float = RETRY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._name = name
        self._settings = settings
        self._render = render_json if settings.as_json else render_file_text
        self._retry_s = retry_s
        self._clock = clock
        self._descriptor: int | None = None
        self._size = 0
        self._lost = 0
        self._is_failing = False
        self._next_try = 0.0
        self._warned_at: float | None = None

    def write(self, batches: Sequence[Sequence[LogLine]], dropped: int = 0) -> None:
        """Append lines.

        Args:
            batches: The lines.
            dropped: How many could not be queued after those.
        """
        waiting = deque((lines, len(lines)) for lines in batches)
        if self._lost:
            waiting.appendleft(([lost_line(self._lost, "the log file could not be written")], self._lost))
        if dropped:
            waiting.append(([lost_line(dropped, "the log file is written too slowly")], dropped))
        try:
            if not self._is_failing or self._clock() >= self._next_try:
                self._open()
                self._work_off(waiting)
        except OSError as exc:
            self._fail(exc)
        self._lost = sum(count for _, count in waiting)

    def close(self) -> None:
        """Close the file; the next write opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> None:
        if self._descriptor is not None and not self._directory.is_at(self._name, self._descriptor):
            self.close()  # somebody has moved or removed it
        if self._descriptor is not None:
            return
        self._descriptor = self._directory.open_file(self._name)
        self._size = os.fstat(self._descriptor).st_size
        if self._size and os.pread(self._descriptor, 1, self._size - 1) != b"\n":
            self._append(b"\n")  # a supervisor was killed while it wrote

    def _work_off(self, waiting: deque[tuple[Sequence[LogLine], int]]) -> None:
        """Append lines, from the first on; those that could not be written stay in *waiting*."""
        while waiting:
            lines, _ = waiting[0]
            data = self._render(lines).encode("utf-8", "backslashreplace")
            if len(data) > self._settings.max_bytes // PARTS_OF_A_FILE and len(lines) > 1:
                waiting.popleft()
                middle = len(lines) // 2
                waiting.extendleft((half, len(half)) for half in (lines[middle:], lines[:middle]))
                continue
            if self._size and self._size + len(data) > self._settings.max_bytes:
                self._rotate()
            self._append(data)
            waiting.popleft()
        self._recover()

    def _append(self, data: bytes) -> None:
        assert self._descriptor is not None
        try:
            write_all(self._descriptor, data)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)  # no half line stays
            raise
        self._size += len(data)

    def _rotate(self) -> None:
        self.close()
        self._directory.shift(self._name, keep=self._settings.keep)
        self._open()

    def _fail(self, exc: OSError) -> None:
        self.close()
        self._next_try = self._clock() + self._retry_s
        self._is_failing = True
        if self._warned_at is None or self._clock() >= self._warned_at + WARNING_INTERVAL_S:
            self._warned_at = self._clock()
            path = self._directory.path / self._name
            logger.warning("log file %s cannot be written, services go on: %s", path, exc.strerror or exc)

    def _recover(self) -> None:
        if self._is_failing:
            self._is_failing = False
            path = self._directory.path / self._name
            logger.info("log file %s is written again; %d lines are missing", path, self._lost)
