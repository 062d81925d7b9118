"""Shows what workers write, where nobody else does."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

from dynamo_core.logs.lines import lost_line, size_of
from dynamo_core.logs.rendering import has_colours, render_json, render_text
from dynamo_core.logs.spool import Spool, write_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_core.provider import LogLine


class LinePrinter:
    """Writes lines to a descriptor, from a thread; what is read too slowly is dropped, and counted.

    Args:
        descriptor: Where to.
        is_json: Whether each line is a JSON object, instead of a text.
    """

    def __init__(self, descriptor: int, *, is_json: bool = False) -> None:
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
