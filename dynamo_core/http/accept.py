"""Which form of a stream an ``Accept`` header asks for."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NDJSON: Final = "application/x-ndjson"
SSE: Final = "text/event-stream"
TEXT: Final = "text/plain"
BYTES: Final = "application/octet-stream"

_ALIASES: Final[Mapping[str, str]] = {
    "application/ndjson": NDJSON,
    "application/jsonl": NDJSON,
    "application/json": NDJSON,
}


@functools.lru_cache(maxsize=256)
def choose_form(accept: bytes, offered: tuple[str, ...]) -> str:
    """Choose the form a client prefers.

    The highest weight wins, then the more exact range, then the order of the header.
    Where nothing offered is asked for, the first one offered is used: no request fails for its ``Accept``.

    Args:
        accept: The header; empty for none.
        offered: Media types, the default first.
    """
    best: tuple[float, int] = (0.0, 0)
    chosen = offered[0]
    for part in accept.decode("latin-1").split(","):
        asked, weight = _split_range(part)
        form, exactness = _find(asked, offered)
        if form is not None and weight > 0 and (weight, exactness) > best:
            best, chosen = (weight, exactness), form
    return chosen


def _split_range(part: str) -> tuple[str, float]:
    name, *parameters = part.split(";")
    weight = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                weight = float(value.strip())
            except ValueError:
                weight = 0.0
    return name.strip().lower(), weight if 0.0 <= weight <= 1.0 else 0.0


def _find(asked: str, offered: tuple[str, ...]) -> tuple[str | None, int]:
    exact = _ALIASES.get(asked, asked)
    if exact in offered:
        return exact, 3
    if asked == "*/*":
        return offered[0], 1
    family, _, rest = asked.partition("/")
    if rest == "*":
        return next((form for form in offered if form.startswith(family + "/")), None), 2
    return None, 0
