"""What a plain scalar means: the core schema of YAML 1.2.

YAML 1.1 reads ``no``, ``on``, ``1_000``, ``1:30``, ``010`` and dates as something else than they look; 1.2 does not.
"""

from __future__ import annotations

import re
from typing import Final

_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_OCTAL: Final = re.compile(r"0o[0-7]+")
_HEXADECIMAL: Final = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LITERALS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_LONGEST_INTEGER: Final = 4000
"""Python refuses to read longer ones, by default past 4300 digits."""

CoreValue = None | bool | int | float | str


def resolve(text: str) -> CoreValue:
    """The value of a plain scalar; one that is nothing else is its own text."""
    if text in _LITERALS:
        return _LITERALS[text]
    if len(text) <= _LONGEST_INTEGER:
        for pattern, base in ((_INTEGER, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
            if pattern.fullmatch(text):
                return int(text, base if base == 10 else 0)
    if _FLOAT.fullmatch(text) and not _INTEGER.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text
