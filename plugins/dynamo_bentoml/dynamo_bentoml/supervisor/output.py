"""What workers write, read without ever blocking: kept for reports, and passed on as records."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Final

from dynamo_core.logs.lines import LineBatch, decode_lines, time_now

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

READ_BYTES: Final = 16384
LONGEST_LINE_BYTES: Final = 65536
LAST_LINES: Final = 50
LONGEST_LAST: Final = 2000
LAST_READS: Final = 64


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
        found: list[bytes] = []
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
    """Reads the standard output and error of one worker.

    Args:
        loop: The supervisor's loop.
        write: Takes the lines of each read.
        service: Name of the worker's service.
        slot: Its slot.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        write: Callable[[LineBatch], None],
        *,
        service: str,
        slot: int,
    ) -> None:
        self._loop = loop
        self._write = write
        self._service = service
        self._slot = slot
        self._open: dict[int, tuple[str, LineCutter]] = {}
        self._last: deque[str] = deque(maxlen=LAST_LINES)

    @property
    def last_lines(self) -> tuple[str, ...]:
        """What the worker wrote last, oldest first; long lines are cut short."""
        return tuple(self._last)

    def attach(self, stream: str, descriptor: int) -> None:
        """Read a pipe's end, which this object closes.

        Args:
            stream: ``stdout`` or ``stderr``.
            descriptor: The end.
        """
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
        if lines:
            texts = decode_lines(lines)
            self._last.extend(text[:LONGEST_LAST] for text in texts[-LAST_LINES:])
            self._write(
                LineBatch(texts, service=self._service, slot=self._slot, stream=stream, time=time_now())
            )
