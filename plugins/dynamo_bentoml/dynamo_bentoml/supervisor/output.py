"""What workers write, line by line: kept for reports, passed on with the name of who wrote it."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

READ_BYTES: Final = 65536
LONGEST_LINE_BYTES: Final = 65536
LAST_LINES: Final = 50
LAST_READS: Final = 64
PENDING_LINES: Final = 10_000

_CONTROL: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def printable(raw: bytes) -> str:
    """The text of one line, in which bad UTF-8 and control characters are escaped, so that it stays one line."""
    text = raw.decode("utf-8", "backslashreplace")
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


class LineCutter:
    """Cuts a stream of bytes into lines; one that is too long becomes several.

    Args:
        longest_bytes: Longest line.
    """

    def __init__(self, longest_bytes: int = LONGEST_LINE_BYTES) -> None:
        self._longest_bytes = longest_bytes
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Lines that *data* completes, without their ends."""
        *lines, rest = (self._rest + data).split(b"\n")
        size = self._longest_bytes
        found = []
        for line in lines:
            whole = line.removesuffix(b"\r")
            found += [whole[start : start + size] for start in range(0, len(whole), size)] or [b""]
        while len(rest) > size:
            found.append(rest[:size])
            rest = rest[size:]
        self._rest = rest
        return found

    def finish(self) -> list[bytes]:
        """The last line, if it has no end."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


class WorkerOutput:
    """Reads the standard output and error of one worker without ever blocking.

    Args:
        loop: The supervisor's loop.
        write: Takes the name of the stream, and each line.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, write: Callable[[str, str], None]) -> None:
        self._loop = loop
        self._write = write
        self._open: dict[int, tuple[str, LineCutter]] = {}
        self._kept: deque[str] = deque(maxlen=LAST_LINES)

    @property
    def last_lines(self) -> tuple[str, ...]:
        """What the worker wrote last, oldest first."""
        return tuple(self._kept)

    def attach(self, stream: str, descriptor: int) -> None:
        """Read a pipe's end, which this object closes."""
        os.set_blocking(descriptor, False)
        self._open[descriptor] = stream, LineCutter()
        self._loop.add_reader(descriptor, self._read, descriptor)

    def finish(self) -> None:
        """Take what is still in the pipes, and close them; the worker has ended."""
        for descriptor in list(self._open):
            for _ in range(
                LAST_READS
            ):  # something that the worker left behind may hold the pipe and write on
                if descriptor not in self._open or not self._read(descriptor):
                    break
            self._close(descriptor)

    def _read(self, descriptor: int) -> bool:
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._close(descriptor)
            return False
        stream, cutter = self._open[descriptor]
        self._take(stream, cutter.feed(data))
        return True

    def _close(self, descriptor: int) -> None:
        found = self._open.pop(descriptor, None)
        if found is not None:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
            stream, cutter = found
            self._take(stream, cutter.finish())

    def _take(self, stream: str, lines: list[bytes]) -> None:
        for line in lines:
            text = printable(line)
            self._kept.append(text)
            self._write(stream, text)


class LinePrinter:
    """Writes lines to a descriptor from a thread, so that whoever reads slowly never stops the supervisor.

    Lines that do not fit into its queue are dropped, and counted.

    Args:
        descriptor: Where they go; None drops them all.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._lines: queue.Queue[str | None] = queue.Queue(PENDING_LINES)
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def write(self, line: str) -> None:
        """Queue one line; never waits."""
        if self._descriptor is None:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="dynamo-output", daemon=True)
            self._thread.start()
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def close(self, timeout_s: float = 1.0) -> None:
        """Write out what is queued, for at most *timeout_s* seconds."""
        if self._thread is not None:
            with contextlib.suppress(queue.Full):
                self._lines.put(None, timeout=timeout_s)
            self._thread.join(timeout_s)

    def _run(self) -> None:
        assert self._descriptor is not None
        while (line := self._lines.get()) is not None:
            dropped, self._dropped = self._dropped, 0
            if dropped:
                line += f"\ndynamo: {dropped} lines were dropped: the output is read too slowly"
            view = memoryview(f"{line}\n".encode("utf-8", "backslashreplace"))
            with contextlib.suppress(OSError):  # nobody reads any more: output is lost, services go on
                while view:
                    view = view[os.write(self._descriptor, view) :]
