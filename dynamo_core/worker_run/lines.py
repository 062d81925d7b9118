"""What a run's workers write: cut into lines, kept for whoever asks, and shown to people."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from typing import TYPE_CHECKING, Final

from dynamo_core.logs.book import LogBook
from dynamo_core.logs.lines import LineBatch, decode_lines, lost_line, size_of, time_now
from dynamo_core.logs.rendering import render_text
from dynamo_core.logs.spool import Spool, write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dynamo_core.provider.status import LogLine
    from dynamo_core.worker_run.engine import WorkerOrder

READ_BYTES: Final = 16384
LAST_READS: Final = 64
LONGEST_LINE_BYTES: Final = 65536
LAST_LINES: Final = 50
LONGEST_LAST: Final = 2000
STANDARD_ERROR: Final = 2


class RunLines:
    """Takes in the lines of all workers; never waits.

    Args:
        show: Shows lines to people; None writes them to standard error.

    Attributes:
        book: Keeps the last ones.
    """

    def __init__(self, show: Callable[[Sequence[LogLine]], None] | None) -> None:
        self.book = LogBook()
        self._spool: Spool[Sequence[LogLine]] | None = None
        if show is None:
            self._spool = Spool(_write_to_standard_error, name="dynamo-output")
        self._show = show

    def write(self, lines: LineBatch) -> None:
        """Pass on lines of one worker."""
        if self._show is not None:
            self._show(lines)
        elif self._spool is not None:
            self._spool.put(lines, size=size_of(lines), lines=len(lines))
        self.book.write(lines)

    def close(self) -> None:
        """End readers, and write out what is pending, for about a second."""
        self.book.close()
        if self._spool is not None:
            self._spool.close()


class WorkerOutput:
    """Reads what one worker writes, and cuts it into lines; never blocks.

    Args:
        lines: Takes them.
        order: What the worker is started with.
        pipes: This side's ends of its standard output and error, by name; closed in the end.
    """

    def __init__(self, lines: RunLines, order: WorkerOrder, pipes: Mapping[str, int]) -> None:
        self._lines = lines
        self._service = order.service
        self._slot = order.slot
        self._loop = asyncio.get_running_loop()
        self._open = dict(pipes)
        self._rests = dict.fromkeys(pipes, b"")
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        for stream, descriptor in pipes.items():
            os.set_blocking(descriptor, False)
            self._loop.add_reader(descriptor, self._read, stream)

    @property
    def last(self) -> tuple[str, ...]:
        """What the worker wrote last, oldest first; long lines are cut short."""
        return tuple(self._last)

    def finish(self) -> None:
        """Take in what is still in the pipes, and close them; the worker has ended. Safe to call twice."""
        for stream in list(self._open):
            for _ in range(LAST_READS):  # something that it has left behind may hold the pipe, and write on
                if not self._read(stream):
                    break
            self._close(stream)

    def _read(self, stream: str) -> bool:
        """Read once; whether there may be more."""
        if stream not in self._open:
            return False
        try:
            data = os.read(self._open[stream], READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._close(stream)
            return False
        self._feed(stream, data)
        return True

    def _close(self, stream: str) -> None:
        descriptor = self._open.pop(stream, None)
        if descriptor is not None:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
            rest, self._rests[stream] = self._rests[stream], b""
            self._take(stream, [rest] if rest else [])

    def _feed(self, stream: str, data: bytes) -> None:
        """Cut *data* into lines; one that is too long becomes several."""
        *whole, rest = (self._rests[stream] + data).split(b"\n")
        if len(rest) > LONGEST_LINE_BYTES:
            whole, rest = [*whole, rest], b""
        self._rests[stream] = rest
        self._take(stream, [line.removesuffix(b"\r") for line in whole])

    def _take(self, stream: str, lines: list[bytes]) -> None:
        size = LONGEST_LINE_BYTES
        cut = [line[start : start + size] for line in lines for start in range(0, max(1, len(line)), size)]
        if cut:
            texts = decode_lines(cut)
            self._last.extend(text[:LONGEST_LAST] for text in texts[-LAST_LINES:])
            self._lines.write(
                LineBatch(texts, service=self._service, slot=self._slot, stream=stream, time=time_now())
            )


def _write_to_standard_error(batches: list[Sequence[LogLine]], dropped: int) -> None:
    if dropped:
        batches.append([lost_line(dropped, "the output is read too slowly")])
    with contextlib.suppress(OSError):  # nobody reads any more: output is lost, services go on
        for lines in batches:
            write_all(STANDARD_ERROR, render_text(lines).encode("utf-8", "backslashreplace"))
