"""What workers write: captured line by line, kept for reports, and passed on with a prefix."""

from __future__ import annotations

import contextlib
import os
import re
import select
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

READ_BYTES: Final = 65536
LONGEST_LINE_BYTES: Final = 65536
KEPT_LINES: Final = 50
LAST_READS: Final = 32
PENDING_LINES: Final = 10_000

_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def printable(raw: bytes) -> str:
    """One record's text: bad UTF-8 and control characters are shown as escapes, so that it stays one line."""
    text = raw.decode("utf-8", "backslashreplace")
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


class LineBuffer:
    """Cuts a stream of bytes into lines; a line that is too long is cut into several."""

    def __init__(self, longest_bytes: int = LONGEST_LINE_BYTES) -> None:
        self._longest_bytes = longest_bytes
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Lines that *data* completes, without their ends."""
        *lines, rest = (self._rest + data).split(b"\n") if self._rest else data.split(b"\n")
        found: list[bytes] = []
        for line in lines:
            found += self._cut(line)
        while len(rest) > self._longest_bytes:
            found.append(rest[: self._longest_bytes])
            rest = rest[self._longest_bytes :]
        self._rest = rest
        return found

    def finish(self) -> list[bytes]:
        """The unfinished last line, if any."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []

    def _cut(self, line: bytes) -> list[bytes]:
        line = line.removesuffix(b"\r")
        size = self._longest_bytes
        return [line[start : start + size] for start in range(0, len(line), size)] or [b""]


class WorkerOutput:
    """Reads one worker's standard output and error without ever blocking.

    Args:
        loop: The supervisor's loop.
        write: Takes each line, printable.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, write: Callable[[str], None]) -> None:
        self._loop = loop
        self._write = write
        self._buffers: dict[int, LineBuffer] = {}
        self._kept: deque[str] = deque(maxlen=KEPT_LINES)

    @property
    def last_lines(self) -> tuple[str, ...]:
        """What the worker wrote last, oldest first."""
        return tuple(self._kept)

    def attach(self, descriptor: int) -> None:
        """Read a pipe's end, which this object closes."""
        os.set_blocking(descriptor, False)
        self._buffers[descriptor] = LineBuffer()
        self._loop.add_reader(descriptor, self._read_once, descriptor)

    def finish(self) -> None:
        """Take what is still in the pipes, and close them; the worker has ended."""
        for descriptor in list(self._buffers):
            for _ in range(LAST_READS):  # a child that left the group may hold the pipe and write on
                if descriptor not in self._buffers or not self._read_once(descriptor):
                    break
            self._close(descriptor)

    def _read_once(self, descriptor: int) -> bool:
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._close(descriptor)
            return False
        self._take(self._buffers[descriptor].feed(data))
        return True

    def _close(self, descriptor: int) -> None:
        buffer = self._buffers.pop(descriptor, None)
        if buffer is None:
            return
        self._loop.remove_reader(descriptor)
        os.close(descriptor)
        self._take(buffer.finish())

    def _take(self, lines: list[bytes]) -> None:
        for line in lines:
            text = printable(line)
            self._kept.append(text)
            self._write(text)


class OutputSink:
    """Writes lines to a descriptor from a thread, so that a slow reader never stops the supervisor.

    What does not fit into the queue is dropped and counted.
    """

    def __init__(self, descriptor: int, *, pending_lines: int = PENDING_LINES) -> None:
        self._descriptor = descriptor
        self._pending_lines = pending_lines
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._wake = threading.Condition()
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def write(self, line: str) -> None:
        """Queue one line; never blocks."""
        with self._wake:
            if self._is_closing:
                return
            if len(self._lines) >= self._pending_lines:
                self._dropped += 1
                return
            self._lines.append(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dynamo-output", daemon=True)
                self._thread.start()
            self._wake.notify()

    def close(self, timeout_s: float = 1.0) -> None:
        """Write out what is queued, for at most *timeout_s* seconds."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._lines and not self._is_closing:
                    self._wake.wait()
                if not self._lines:
                    return
                lines = list(self._lines)
                self._lines.clear()
                dropped, self._dropped = self._dropped, 0
            if dropped:
                lines.append(f"dynamo: {dropped} lines were dropped: the output is read too slowly")
            self._write_all(("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        with contextlib.suppress(OSError):  # nobody reads any more: output is lost, services go on
            while view:
                try:
                    view = view[os.write(self._descriptor, view) :]
                except BlockingIOError:  # somebody made the terminal non-blocking
                    select.select([], [self._descriptor], [])
