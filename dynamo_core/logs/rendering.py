"""How a line is shown: to a person, to a program, and in a file."""

from __future__ import annotations

import os
import re
import zlib
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from dynamo_core.logs.lines import LineBatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynamo_core.provider.status import LogLine

RUN_NAME: Final = "dynamo"
"""What stands in the place of a worker before a line of the run's own; no worker's name is without a slash."""

_RESET: Final = "\x1b[0m"
_NAMES: Final = ("36", "32", "34", "35", "96", "92", "94", "95")
"""Colours for services; red and yellow are for levels."""
_BARS: Final[Mapping[str, str]] = {"stdout": "2", "stderr": "33"}
_LEVELS: Final[Mapping[str, str]] = {"critical": "1;31", "error": "31", "warning": "33", "debug": "2"}
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def has_colours(descriptor: int) -> bool:
    """Whether a person who wants colours looks at *descriptor*."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "") in {"dumb", "unknown"}:
        return False
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def origin_of(line: LogLine) -> str:
    """Who wrote a line: ``Backend/0``."""
    if line.slot is None:
        return line.service or RUN_NAME
    return f"{line.service}/{line.slot}"


def as_text(line: LogLine, *, in_colour: bool = False) -> str:
    """A line for people: who wrote it, and what.

    Args:
        line: The line, printable.
        in_colour: Whether to tell services, streams and levels apart by colour.
    """
    if not in_colour:
        return f"{origin_of(line)} | {line.text}"
    name = _NAMES[zlib.crc32(line.service.encode()) % len(_NAMES)]
    bar = _BARS.get(line.stream, "2")
    level = _LEVELS.get(line.level)
    text = line.text if level is None else f"\x1b[{level}m{line.text}{_RESET}"
    return f"\x1b[{name}m{origin_of(line)}{_RESET} \x1b[{bar}m|{_RESET} {text}"


def as_file_text(line: LogLine) -> str:
    """A line for a file, with all that is known of it."""
    return f"{line.time or '-'} {origin_of(line)} {line.stream or '-'} {line.level or '-'} | {line.text}"


def as_json(line: LogLine, **facts: Any) -> str:
    """A line as one JSON object.

    Args:
        line: The line.
        facts: Further members, which JSON can hold; those that are None are left out.
    """
    members = {
        "time": line.time,
        "level": line.level,
        "service": line.service,
        "slot": line.slot,
        "stream": line.stream,
        "text": line.text,
        **{name: value for name, value in facts.items() if value is not None},
    }
    try:
        return msgspec.json.encode(members).decode()
    except UnicodeEncodeError:  # a path that is no UTF-8
        members["text"] = _SURROGATE.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", line.text)
        return msgspec.json.encode(members).decode()


def render_text(lines: Sequence[LogLine], *, in_colour: bool = False) -> str:
    """Lines for people, each with its end."""
    if isinstance(lines, LineBatch) and not in_colour:
        return _join(f"{lines.service}/{lines.slot} | ", lines.texts)
    return "".join(f"{as_text(line, in_colour=in_colour)}\n" for line in lines)


def render_file_text(lines: Sequence[LogLine]) -> str:
    """Lines for a file, each with its end."""
    if isinstance(lines, LineBatch) and lines and (level := lines.level) is not None:
        return _join(as_file_text(attrs.evolve(lines[0], text="", level=level)), lines.texts)
    return "".join(f"{as_file_text(line)}\n" for line in lines)


def render_json(lines: Sequence[LogLine]) -> str:
    """Lines as JSON objects, each with its end."""
    return "".join(f"{as_json(line)}\n" for line in lines)


def _join(prefix: str, texts: Sequence[str]) -> str:
    return f"{prefix}{f'{chr(10)}{prefix}'.join(texts)}\n" if texts else ""
