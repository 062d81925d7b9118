"""Standard error as records: one JSON object a line, whoever writes it."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from typing import TYPE_CHECKING, Final

from dynamo_core.cli.console import write_records_to
from dynamo_core.logs.lines import decode_lines, level_of, time_now
from dynamo_core.provider.status import LogLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TextIO

LONGEST_LINE: Final = 65536


class RecordStream(io.TextIOBase):
    """Stands in for ``sys.stderr``: each line that others write there, such as the user's module, becomes a record.

    Args:
        under: The stream that it stands in for.
        show_lines: Takes the records.

    Attributes:
        under: The stream that it stands in for.
        show_lines: Takes the records.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, under: TextIO, show_lines: Callable[[Sequence[LogLine]], None]) -> None:
        self.show_lines = show_lines
        self.under = under
        self._rest = ""
        self._lock = threading.Lock()

    def writable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """Descriptor of the stream that it stands in for."""
        return self.under.fileno()

    def write(self, text: str) -> int:
        """Take in a text; its whole lines become records."""
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            if len(self._rest) > LONGEST_LINE:
                lines.append(self._rest)
                self._rest = ""
        self._show(lines)
        return len(text)

    def finish(self) -> None:
        """Make a record of a last line without an end."""
        with self._lock:
            rest, self._rest = self._rest, ""
        self._show([rest] if rest else [])

    def _show(self, texts: Sequence[str]) -> None:
        if not texts:
            return
        time = time_now()
        self.show_lines(
            [
                LogLine(
                    service="",
                    slot=None,
                    text=text,
                    stream="stderr",
                    time=time,
                    level=level_of("stderr", text),
                )
                for text in decode_lines([text.encode("utf-8", "backslashreplace") for text in texts])
            ]
        )


def turn_into_records() -> RecordStream:
    """Have everything that this process writes to standard error be records from now on."""
    from dynamo_core.cli.line_writer import write_lines  # such commands only

    if isinstance(sys.stderr, RecordStream):
        return sys.stderr
    write_records_to(sys.stderr)
    stream = RecordStream(sys.stderr, write_lines)
    sys.stderr = stream
    return stream


def turn_back() -> None:
    """Undo :func:`turn_into_records`; nothing happens where that was not called."""
    if isinstance(sys.stderr, RecordStream):
        sys.stderr.finish()
        sys.stderr = sys.stderr.under
    write_records_to(None)


@contextlib.contextmanager
def show_errors_through(show_lines: Callable[[Sequence[LogLine]], None]) -> Iterator[None]:
    """While the block lasts, pass on what others write to standard error, if that is turned into records at all."""
    stream = sys.stderr
    if not isinstance(stream, RecordStream):
        yield
        return
    before, stream.show_lines = stream.show_lines, show_lines
    try:
        yield
    finally:
        stream.show_lines = before
