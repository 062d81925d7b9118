"""Writing for people and for programs.

Data goes to standard output, messages to standard error.
On a terminal both are set with rich, which is imported only then; elsewhere they are plain, and nothing ever moves.
A command may turn everything that goes to standard error into records, one JSON object a line.
"""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynamo_core.provider.events import ServiceEvent

Kind = Literal["", "error", "warning", "note"]
Tone = Literal["", "name", "good", "bad", "warning", "dim"]
Part = str | tuple[str, Tone]

_STYLES: Final[Mapping[str, str]] = {"error": "bold red", "warning": "yellow", "note": "dim"}
_TONES: Final[Mapping[str, str]] = {
    "": "",
    "name": "bold",
    "good": "green",
    "bad": "bold red",
    "warning": "yellow",
    "dim": "dim",
}
_LEVELS: Final[Mapping[str, str]] = {"error": "error", "warning": "warning"}
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


_record_stream: TextIO | None = None


def write_records_to(stream: TextIO | None) -> None:
    """Turn every message from now on into a record on *stream*; None turns them back into texts."""
    global _record_stream  # noqa: PLW0603  # like the standard streams, one for the process
    _record_stream = stream


def record_stream() -> TextIO | None:
    """Where messages go as records; None while they are texts on standard error."""
    return _record_stream


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at *stream*."""
    try:
        return stream.isatty()
    except ValueError:  # it is closed
        return False


def printable(text: str) -> str:
    """*text* with characters that would move a cursor, or hide, as escapes; line ends and tabs stay."""
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


def write(text: str) -> None:
    """Write data to standard output, as it is."""
    sys.stdout.write(f"{text}\n")


def write_json(data: object) -> None:
    """Write data to standard output as one JSON document."""
    write(json.dumps(data, indent=2, ensure_ascii=False))


def message(text: str, *, kind: Kind = "", last_lines: Sequence[str] = ()) -> None:
    """Write for people, to standard error.

    Args:
        text: What to say.
        kind: Stands before it.
        last_lines: What somebody wrote last, which is the reason.
    """
    if _record_stream is not None:
        _write_record({"text": text, "level": _LEVELS.get(kind, "info")}, last_lines=last_lines or None)
        return
    _message_text(text, kind)
    for line in last_lines:
        _message_text(f"  | {line}", "")


def _message_text(text: str, kind: Kind) -> None:
    stream = sys.stderr
    text = printable(text)
    if kind and is_terminal(stream):
        from rich.console import Console  # terminals only
        from rich.text import Text  # as above

        line = Text(f"{kind}: ", style=_STYLES[kind]).append(Text(text, style="default not bold not dim"))
        Console(file=stream, stderr=True, highlight=False, soft_wrap=True).print(line)
        return
    stream.write(f"{kind}: {text}\n" if kind else f"{text}\n")


def message_line(*parts: Part, about: ServiceEvent | None = None, is_trouble: bool = False) -> None:
    """Write one line for people, to standard error, some of its parts with a tone that shows on a terminal.

    Args:
        parts: Texts, or texts with their tone.
        about: What the line tells of; a record has its facts.
        is_trouble: Whether something went wrong.
    """
    if _record_stream is None:
        _write_parts(sys.stderr, parts)
        return
    text = "".join(part if isinstance(part, str) else part[0] for part in parts).strip()
    level = "warning" if is_trouble else "info"
    if about is None:
        _write_record({"text": text, "level": level})
        return
    level = "error" if about.kind == "failed" else level
    line = {"text": text, "level": level, "service": about.service, "slot": about.slot}
    _write_record(line, event=about.kind, pid=about.pid, seconds=about.seconds, url=about.url)


def _write_record(line: Mapping[str, Any], **facts: Any) -> None:
    from dynamo_core.logs.lines import run_line  # such commands only
    from dynamo_core.logs.rendering import as_json  # as above

    assert _record_stream is not None, "the caller has looked"
    _record_stream.write(f"{as_json(run_line(**line), **facts)}\n")
    _record_stream.flush()


def write_line(*parts: Part) -> None:
    """Write one line of data to standard output at once, some of its parts with a tone that shows on a terminal."""
    _write_parts(sys.stdout, parts)
    sys.stdout.flush()


def _write_parts(stream: TextIO, parts: Sequence[Part]) -> None:
    toned = [(part, "") if isinstance(part, str) else part for part in parts]
    if is_terminal(stream):
        from rich.console import Console  # terminals only
        from rich.text import Text  # as above

        line = Text.assemble(*((printable(text), _TONES[tone]) for text, tone in toned))
        Console(file=stream, highlight=False, soft_wrap=True).print(line)
        return
    stream.write(f"{printable(''.join(text for text, _ in toned))}\n")


def write_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table to standard output: columns under headers, one row per line off a terminal."""
    shown = [[printable(cell).replace("\n", " ") for cell in row] for row in rows]
    if is_terminal(sys.stdout):
        _write_rich_table(headers, shown)
        return
    widths = [max(len(cell) for cell in column) for column in zip(headers, *shown, strict=True)]
    for row in (headers, *shown):
        write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _write_rich_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # terminals only
    from rich.table import Table  # as above
    from rich.text import Text  # as above

    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(file=sys.stdout, highlight=False).print(table)
