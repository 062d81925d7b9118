"""What workers write: captured line by line, kept for reports, and passed on as records."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Final

from dynamo_core.logs.lines import LineBatch, decode_lines, time_now

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

READ_BYTES: Final = 16384
"""One read's lines are made into records within one turn of the loop, and lines may be as short as their ends."""

LONGEST_LINE_BYTES: Final = 65536
KEPT_LINES: Final = 50
LONGEST_KEPT: Final = 2000
LAST_READS: Final = 64


class LineBuffer:
    """Cuts a stream of bytes into lines; a line that is too long is cut into several."""

    def __init__(self, longest_bytes: int = LONGEST_LINE_BYTES) -> None:
        self._longest_bytes = longest_bytes
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Lines that *data* completes, without their ends."""
        longest = self._longest_bytes
        *lines, rest = (self._rest + data).split(b"\n") if self._rest else data.split(b"\n")
        if b"\r" in data or self._rest.endswith(b"\r"):
            lines = [line.removesuffix(b"\r") for line in lines]
        if len(self._rest) + len(data) > longest:
            lines = [part for line in lines for part in self._cut(line)]
        while len(rest) > longest:
            lines.append(rest[:longest])
            rest = rest[longest:]
        self._rest = rest
        return lines

    def finish(self) -> list[bytes]:
        """The unfinished last line, if any."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []

    def _cut(self, line: bytes) -> list[bytes]:
        size = self._longest_bytes
        if len(line) <= size:
            return [line]
        return [line[start : start + size] for start in range(0, len(line), size)]


class WorkerOutput:
    """Reads one worker's standard output and error without ever blocking.

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
        self._streams: dict[int, tuple[str, LineBuffer]] = {}
        self._kept: deque[str] = deque(maxlen=KEPT_LINES)

    @property
    def last_lines(self) -> tuple[str, ...]:
        """What the worker wrote last, oldest first; long lines are cut short."""
        return tuple(self._kept)

    def attach(self, descriptor: int, stream: str) -> None:
        """Read a pipe's end, which this object closes.

        Args:
            descriptor: The end.
            stream: ``stdout`` or ``stderr``.
        """
        os.set_blocking(descriptor, False)
        self._streams[descriptor] = stream, LineBuffer()
        self._loop.add_reader(descriptor, self._read_once, descriptor)

    def finish(self) -> None:
        """Take what is still in the pipes, and close them; the worker has ended."""
        for descriptor in list(self._streams):
            for _ in range(LAST_READS):  # a child that left the group may hold the pipe and write on
                if descriptor not in self._streams or not self._read_once(descriptor):
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
        stream, buffer = self._streams[descriptor]
        self._take(stream, buffer.feed(data))
        return True

    def _close(self, descriptor: int) -> None:
        found = self._streams.pop(descriptor, None)
        if found is None:
            return
        self._loop.remove_reader(descriptor)
        os.close(descriptor)
        stream, buffer = found
        self._take(stream, buffer.finish())

    def _take(self, stream: str, lines: list[bytes]) -> None:
        if not lines:
            return
        texts = decode_lines(lines)
        self._kept.extend(
            text if len(text) <= LONGEST_KEPT else f"{text[:LONGEST_KEPT]}…" for text in texts[-KEPT_LINES:]
        )
        self._write(LineBatch(texts, service=self._service, slot=self._slot, stream=stream, time=time_now()))
