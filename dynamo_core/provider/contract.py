"""The version of the contract between core and providers, and the ranges of it that providers state.

The contract has a version of its own, one pair of integers: the second grows when something is added, the first
when something that existed changes its meaning.
It says nothing about the versions of any distribution.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

Version = tuple[int, int]

CONTRACT_VERSION: Final[Version] = (1, 0)
"""The contract that this dynamo-core offers."""

_CLAUSE: Final = re.compile(r"(>=|<=|==|>|<)\s*(\d{1,6})(?:\.(\d{1,6}))?", re.ASCII)
_OPERATORS: Final[dict[str, Callable[[Version, Version], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


def format_version(version: Version) -> str:
    """The pair as text: ``1.0``."""
    return f"{version[0]}.{version[1]}"


class ContractClause(NamedTuple):
    """One comparison of a range, such as ``>=1.0``."""

    comparison: str
    version: Version

    def accepts(self, version: Version) -> bool:
        """Whether *version* passes the comparison."""
        return _OPERATORS[self.comparison](version, self.version)


class ContractRange(NamedTuple):
    """The contract versions that a provider works with.

    Attributes:
        text: As the manifest has it.
        clauses: All of them must accept a version.
    """

    text: str
    clauses: tuple[ContractClause, ...]

    @classmethod
    def parse(cls, text: str) -> ContractRange:
        """Read a range such as ``>=1.0,<2``; ``2`` stands for ``2.0``.

        Raises:
            ValueError: The text is no range.
        """
        clauses = []
        for part in text.split(","):
            found = _CLAUSE.fullmatch(part.strip())
            if found is None:
                raise ValueError(f"contract must be a range such as '>=1.0,<2', got {text!r}")
            comparison, major, minor = found.groups()
            clauses.append(ContractClause(comparison, (int(major), int(minor or 0))))
        return cls(text, tuple(clauses))

    def accepts(self, version: Version) -> bool:
        """Whether a provider with this range works with *version*."""
        return all(clause.accepts(version) for clause in self.clauses)

    def side_to_upgrade(self, version: Version) -> str:
        """Who has to move when *version* is outside the range: ``dynamo-core`` or ``the provider``."""
        wants_newer = any(
            clause.version >= version and not clause.accepts(version)
            for clause in self.clauses
            if clause.comparison in {">=", ">", "=="}
        )
        return "dynamo-core" if wants_newer else "the provider"
