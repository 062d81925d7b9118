"""Where log files are, and how large they become."""

from __future__ import annotations

from typing import Any, Final, Self

import attrs
from attrs.validators import ge

DEFAULT_MAX_BYTES: Final = 10 * 1024 * 1024
DEFAULT_KEEP: Final = 3

LOWEST_LIMIT: Final = 1024 * 1024
"""Lowest limit for a file's size: every line fits, with each of its bytes escaped."""


@attrs.frozen(kw_only=True)
class LogFileSettings:
    """Where the lines of a run's workers are written to, beside what people see.

    Attributes:
        directory: Directory for one file per service, ``<service>.log``.
        max_bytes: Bytes that a file may have before a new one is begun.
        keep: Files before the present one that are kept: ``<service>.log.1`` is the last but one.
        as_json: Whether each line is a JSON object, instead of a text.
    """

    directory: str
    max_bytes: int = attrs.field(validator=ge(LOWEST_LIMIT))
    keep: int = attrs.field(validator=ge(0))
    as_json: bool = False

    def to_data(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return attrs.asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Self:
        """The reverse of :meth:`to_data`."""
        return cls(**data)
