"""Lines of workers, and a run's own records among them, written where people read them."""

from __future__ import annotations

import contextlib
import functools
import logging
from typing import TYPE_CHECKING, Final

from dynamo_core.logs.lines import decode_lines, lost_line, run_line, size_of
from dynamo_core.logs.rendering import has_colours, render_json, render_text
from dynamo_core.logs.spool import Spool, write_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_core.provider.status import LogLine

STANDARD_ERROR: Final = 2


class LinePrinter:
    """Writes lines to a descriptor, from a thread; what is read too slowly is dropped, and counted.

    Args:
        descriptor: Where to.
        is_json: Whether each line is a JSON object, instead of a text.
    """

    def __init__(self, descriptor: int = STANDARD_ERROR, *, is_json: bool = False) -> None:
        self._descriptor = descriptor
        in_colour = not is_json and has_colours(descriptor)
        self._render = render_json if is_json else functools.partial(render_text, in_colour=in_colour)
        self._spool: Spool[Sequence[LogLine]] = Spool(self._write, name="dynamo-output")

    def show(self, lines: Sequence[LogLine]) -> None:
        """Have lines written; never waits."""
        self._spool.put(lines, size=size_of(lines), lines=len(lines))

    def close(self, timeout_s: float = 1.0) -> None:
        """Write what is pending, for at most *timeout_s* seconds."""
        self._spool.close(timeout_s)

    def _write(self, batches: list[Sequence[LogLine]], dropped: int) -> None:
        if dropped:
            batches.append([lost_line(dropped, "the output is read too slowly")])
        with contextlib.suppress(OSError):  # nobody reads any more: output is lost, services go on
            for lines in batches:
                write_all(self._descriptor, self._render(lines).encode("utf-8", "backslashreplace"))


class PrinterHandler(logging.Handler):
    """Shows log records among the lines of workers, as lines of the run's own."""

    def __init__(self, printer: LinePrinter) -> None:
        super().__init__()
        self._printer = printer

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        try:
            texts = decode_lines(self.format(record).encode("utf-8", "backslashreplace").split(b"\n"))
        except Exception:  # noqa: BLE001  # a record that does not fit its arguments
            self.handleError(record)
            return
        self._printer.show([run_line(text, level=record.levelname.lower()) for text in texts])
