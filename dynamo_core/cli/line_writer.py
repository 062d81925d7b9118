"""Messages, and what workers write, written from a thread of their own.

``dynamo serve`` may be the process that watches over workers: a terminal that somebody has paused, or a pipe that
nobody reads, must not keep it from that.
One thread writes everything, so that lines never run into one another.
"""

from __future__ import annotations

import functools
import io
import logging
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dynamo_core.cli.console import message, message_line, record_stream
from dynamo_core.logs.lines import size_of
from dynamo_core.logs.rendering import has_colours, render_json, render_text
from dynamo_core.logs.spool import MOST_BYTES, Spool, write_all

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import TextIO

    from dynamo_core.cli.console import Kind, Part
    from dynamo_core.provider.events import ServiceEvent
    from dynamo_core.provider.status import LogLine

CLOSE_TIMEOUT_S: Final = 1.0
REMEMBERED_BATCHES: Final = 16
"""Of lines: enough for the last ones of a worker that cannot start."""

_MESSAGE_BYTES: Final = 500
"""What a message takes beside its text."""


class LineWriter:
    """Writes messages and lines in order, and never blocks who gives them; what does not fit is dropped and counted.

    Use it as a context manager: leaving writes what is pending, for at most a second.

    Args:
        most_bytes: Bytes of lines that may wait; messages may take as many again.
    """

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self._spool: Spool[Callable[[], None]] = Spool(_write, name="dynamo-messages", most_bytes=most_bytes)
        self._latest: deque[Sequence[LogLine]] = deque(maxlen=REMEMBERED_BATCHES)

    def __enter__(self) -> LineWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close(CLOSE_TIMEOUT_S)

    def message(self, text: str, *, kind: Kind = "") -> None:
        """Like :func:`dynamo_core.cli.console.message`, later."""
        self._put_message(functools.partial(message, text, kind=kind), len(text))

    def message_line(self, *parts: Part, about: ServiceEvent | None = None, is_trouble: bool = False) -> None:
        """Like :func:`dynamo_core.cli.console.message_line`, later."""
        write = functools.partial(message_line, *parts, about=about, is_trouble=is_trouble)
        self._put_message(write, sum(len(part) for part in parts))

    def show_lines(self, lines: Sequence[LogLine]) -> None:
        """Write what workers wrote, to standard error: with a prefix for people, or as records."""
        self._latest.append(lines)
        self._spool.put(functools.partial(write_lines, lines), size=size_of(lines), lines=len(lines))

    def has_just_shown(self, service: str, slot: int | None, texts: Sequence[str]) -> bool:
        """Whether *texts* of one worker are the last lines that people were shown, so that they need not see them twice."""
        if record_stream() is not None:
            return False
        latest = [line for lines in self._latest for line in lines][-len(texts) :]
        return [(service, slot, text) for text in texts] == [
            (line.service, line.slot, line.text) for line in latest
        ]

    def _put_message(self, write: Callable[[], None], size: int) -> None:
        self._spool.put(write, size=size + _MESSAGE_BYTES, is_rare=True)


def _write(writes: Sequence[Callable[[], None]], dropped: int) -> None:
    try:
        for write in writes:
            write()
        if dropped:
            text = "1 line was" if dropped == 1 else f"{dropped} lines were"
            message(f"{text} dropped: they are read too slowly", kind="warning")
    except (OSError, ValueError):
        return  # nobody reads any more, or the stream is closed: services go on


def write_lines(lines: Sequence[LogLine]) -> None:
    """Write what workers wrote to standard error."""
    stream = record_stream()
    if stream is not None:
        write_text(stream, render_json(lines))
        return
    in_colour = stream_has_colours(sys.stderr)
    write_text(sys.stderr, render_text(lines, in_colour=in_colour))


def stream_has_colours(stream: TextIO) -> bool:
    """Whether a person who wants colours looks at *stream*."""
    try:
        return has_colours(stream.fileno())
    except (OSError, ValueError):  # it is closed, or no file
        return False


def write_text(stream: TextIO, text: str) -> None:
    """Write a text whole, also where somebody has made the terminal non-blocking."""
    stream.flush()
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:
        stream.write(text)
        return
    write_all(descriptor, text.encode("utf-8", "backslashreplace"))


class RecordHandler(logging.Handler):
    """Shows log records as messages.

    Args:
        write: Takes a message and its kind.
        level: Level of this project's own records; those of others are shown from warnings on.
    """

    def __init__(self, write: Callable[..., None], level: int) -> None:
        super().__init__(min(level, logging.WARNING))
        self._write = write
        self._own_level = level

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        is_own = record.name.startswith("dynamo_")
        if record.levelno < (self._own_level if is_own else logging.WARNING):
            return
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001  # a record that does not fit its arguments
            self.handleError(record)
            return
        kind: Kind = "note"
        if record.levelno >= logging.WARNING:
            kind = "error" if record.levelno >= logging.ERROR else "warning"
        self._write(text, kind=kind)
