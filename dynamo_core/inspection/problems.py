"""Mistakes, gathered so that all of them are told at once, and each of them once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.errors import GraphError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynamo_core.errors import Location


class Problems:
    """Mistakes in the order they were found; the same one in the same place counts once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def add(self, message: str, location: Location | None) -> None:
        """Take in one mistake."""
        self._found.setdefault(Problem(message, location))

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def raise_any(self, graph: str) -> None:
        """Raise all mistakes, if there are any, as those of *graph*.

        Raises:
            GraphError: There are some; they stand in file order.
        """
        if self._found:
            raise GraphError(graph, sorted(self._found, key=_file_order))


def _file_order(problem: Problem) -> tuple[str, int]:
    place = problem.location
    return ("\U0010ffff", 0) if place is None else (place.file, place.line)
