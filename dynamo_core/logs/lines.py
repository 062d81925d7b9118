"""Lines as records: made safe to show, with their time and level."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from dynamo_core.provider.status import LogLine

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN_STREAM: Final = "run"
"""Stream of a line that no worker wrote, but the run itself, such as a count of lines that were dropped."""

_UNSAFE: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_LEVEL: Final = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL):(?: [\w.-]+: |[\w.-]+:)")
_RECORD_BYTES: Final = 200
"""What a record takes beside its text."""


def printable(raw: bytes) -> str:
    """One record's text: bad UTF-8, and whatever would move a cursor or turn text around, as escapes."""
    text = raw.decode("utf-8", "backslashreplace")
    return _UNSAFE.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


def level_of(stream: str, text: str) -> str:
    """The level that a line says it has, by the way Python's logging begins a line.

    That is ``LEVEL: logger: …``, as workers log, or ``LEVEL:logger:…``, as ``logging.basicConfig`` does.

    Args:
        stream: Where it was written.
        text: The line.

    Returns:
        The level in lower case; for a line that says nothing, ``info`` on standard output, and nothing on standard
        error, where progress and disasters look alike.
    """
    found = _LEVEL.match(text)
    if found is not None:
        return found[1].lower()
    return "info" if stream == "stdout" else ""


def time_now() -> str:
    """The time, as records have it: UTC with milliseconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def run_line(text: str, *, level: str = "info", service: str = "", slot: int | None = None) -> LogLine:
    """A line that the run itself writes, perhaps about a service."""
    return LogLine(service=service, slot=slot, text=text, stream=RUN_STREAM, time=time_now(), level=level)


def lost_line(count: int, why: str) -> LogLine:
    """What stands where lines are missing.

    Args:
        count: How many.
        why: What kept them from being written.
    """
    lines = "line was" if count == 1 else "lines were"
    return run_line(f"{count} {lines} dropped: {why}", level="warning")


def size_of(lines: Sequence[LogLine]) -> int:
    """Bytes that *lines* take in memory, more or less."""
    return sum(sys.getsizeof(line.text) for line in lines) + _RECORD_BYTES * len(lines)
