"""Mistakes in values, before anyone knows what they are part of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from dynamo_core.errors import ConfigError, Location, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from dynamo_core.config.nodes import Source


@attrs.frozen
class ValueProblem:
    """One value that is wrong.

    Attributes:
        message: Follows the value's path: ``must be at least 1, got 0``.
        path: Keys that lead to it, from the outside; a list's item is ``[0]``.
        source: Where it was given; None for values from Python code.
    """

    message: str
    path: tuple[str, ...] = ()
    source: Source | None = None

    def below(self, *keys: str) -> ValueProblem:
        """The same, seen from further outside."""
        return attrs.evolve(self, path=(*keys, *self.path))

    def located(self, *, note: str = "") -> Problem:
        """As a part of an error.

        Args:
            note: Added to what comes from a file, such as ``from DYNAMO_CONFIG``.
        """
        text = f"{join_path(self.path)} {self.message}"
        if isinstance(self.source, Location):
            return Problem(f"{text} ({note})" if note else text, self.source)
        return Problem(text if self.source is None else f"{text} (from {self.source})")


class InvalidValueError(Exception):
    """One or more values cannot be read; whoever knows their place makes a ``ConfigError`` of it."""

    def __init__(self, *problems: ValueProblem) -> None:
        super().__init__(*(problem.message for problem in problems))
        self.problems = problems

    def below(self, *keys: str) -> InvalidValueError:
        """The same, seen from further outside."""
        return InvalidValueError(*(problem.below(*keys) for problem in self.problems))

    def as_config_error(self, *, note: str = "") -> ConfigError:
        """What users get to see."""
        return ConfigError(*(problem.located(note=note) for problem in self.problems))


def join_path(path: Iterable[str]) -> str:
    """Keys as messages write them: ``envs[0].name``."""
    return ".".join(path).replace(".[", "[")


def unknown_key(
    key: str, known: Collection[str], source: Source | None = None, *, place: str | None = None
) -> ValueProblem:
    """The problem of a key that does not exist.

    Args:
        key: What was given.
        known: The keys that do exist; the nearest one is suggested.
        source: Where it was given.
        place: Where such a key does exist; suggested instead.
    """
    hint = f", did you mean {place!r}?" if place else suggest(key, known)
    return ValueProblem(f"has no key {key!r}{hint} (keys: {', '.join(known) or 'none'})", source=source)


def suggest(name: str, known: Collection[str]) -> str:
    """``, did you mean 'x'?``, or nothing."""
    import difflib  # only mistakes need it

    folded = {each.casefold().replace("-", "_"): each for each in known}
    nearest = difflib.get_close_matches(name.casefold().replace("-", "_"), list(folded), 1)
    return f", did you mean {folded[nearest[0]]!r}?" if nearest else ""
