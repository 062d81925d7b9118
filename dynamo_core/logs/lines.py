"""Lines as records: made safe to show, with their time and level."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Final, overload

from dynamo_core.provider.status import LogLine

RUN_STREAM: Final = "run"
"""Stream of a line that no worker wrote, but the run itself, such as a count of lines that were dropped."""

_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_SAFE_BYTES: Final = bytes([*range(0x20, 0x7F), 0x09, 0x0A])
_LEVEL: Final = re.compile(r"^(DEBUG|INFO|WARNING|ERROR|CRITICAL):(?: [\w.-]+: |[\w.-]+:)", re.MULTILINE)
_LINE_BYTES: Final = 60
"""What a line of a batch takes beside its text."""
_RECORD_BYTES: Final = 200
"""What a record takes beside its text."""


def printable(text: str) -> str:
    """A text with whatever would move a cursor or turn text around as escapes; tabs and line ends stay."""
    return _UNSAFE.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


def decode_lines(lines: Sequence[bytes]) -> list[str]:
    """Lines as texts that stay one line each, wherever they are shown.

    Bytes that are no UTF-8, and characters that are not printable, are shown as escapes.
    """
    data = b"\n".join(lines)
    if not data.translate(None, _SAFE_BYTES):
        return data.decode("ascii").split("\n")
    return printable(data.decode("utf-8", "backslashreplace")).split("\n")


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


class LineBatch(Sequence[LogLine]):
    """Lines that were read at once, from one stream of one worker.

    Records are made of them only where they are looked at one by one, which in a flood hardly any is.

    Args:
        texts: The lines, printable.
        service: Name of the service.
        slot: The worker's slot.
        stream: Where they were written.
        time: When they were read.
    """

    def __init__(self, texts: Sequence[str], *, service: str, slot: int, stream: str, time: str) -> None:
        self.texts = texts
        self.service = service
        self.slot = slot
        self.stream = stream
        self.time = time

    @cached_property
    def size(self) -> int:
        """Bytes that they take in memory, more or less."""
        return sum(map(len, self.texts)) + _LINE_BYTES * len(self.texts)

    @property
    def level(self) -> str | None:
        """The level of each; None when they are not known to have the same."""
        if any(map(_LEVEL.match, self.texts)):
            return None
        return level_of(self.stream, "")

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, index: int) -> LogLine: ...
    @overload
    def __getitem__(self, index: slice) -> LineBatch: ...
    def __getitem__(self, index: int | slice) -> LogLine | LineBatch:
        if isinstance(index, slice):
            return LineBatch(
                self.texts[index], service=self.service, slot=self.slot, stream=self.stream, time=self.time
            )
        return self._record(self.texts[index])

    def __iter__(self) -> Iterator[LogLine]:
        return map(self._record, self.texts)

    def _record(self, text: str) -> LogLine:
        level = level_of(self.stream, text)
        return LogLine(
            service=self.service, slot=self.slot, text=text, stream=self.stream, time=self.time, level=level
        )


def size_of(lines: Sequence[LogLine]) -> int:
    """Bytes that *lines* take in memory, more or less."""
    if isinstance(lines, LineBatch):
        return lines.size
    return sum(len(line.text) for line in lines) + _RECORD_BYTES * len(lines)
