"""What has been measured: values of several starts, beside each other."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import attrs

NOT_INSTALLED = "not installed"
"""Note of a side that was left out for that."""


@attrs.frozen(kw_only=True)
class Figure:
    """One kind of work in one place, on every side that can do it.

    Attributes:
        part: Part of the benchmark that it belongs to.
        place: Where caller and callee ran; empty where that does not matter.
        work: What was done.
        unit: Of the values.
        more_is_better: Whether it is a rate.
        values: What each start has shown, by side, in the order of the starts.
        notes: What else is to be said of a side, such as failed calls.
        base: Side that the ratios are to; empty for none.
        ours: Side that the budget is for.
        budget: What the ratio of ours may be at the most, or must be at the least when more is better.
        limit: The same for the value itself.
    """

    part: str
    place: str
    work: str
    unit: str
    more_is_better: bool = False
    values: dict[str, list[float]]
    notes: dict[str, str] = attrs.field(factory=dict)
    base: str = ""
    ours: str = "circus"
    budget: float | None = None
    limit: float | None = None

    def median(self, side: str) -> float | None:
        """The median of a side; None where it has no values."""
        found = self.values.get(side)
        return statistics.median(found) if found else None

    def spread(self, side: str) -> tuple[float, float] | None:
        """The least and the greatest value of a side."""
        found = self.values.get(side)
        return (min(found), max(found)) if found else None

    def ratio(self, side: str) -> float | None:
        """The median of a side over that of the base."""
        value, base = self.median(side), self.median(self.base)
        return value / base if value is not None and base else None

    @property
    def is_met(self) -> bool | None:
        """Whether ours keeps its budget; None where there is none, or no value."""
        kept = [
            value >= allowed if self.more_is_better else value <= allowed
            for value, allowed in (
                (self.ratio(self.ours), self.budget),
                (self.median(self.ours), self.limit),
            )
            if allowed is not None and value is not None
        ]
        return all(kept) if kept else None


def sides_of(figures: Sequence[Figure]) -> list[str]:
    """Every side that has a value or a note, in the order of their first appearance."""
    found: dict[str, None] = {}
    for figure in figures:
        found.update(dict.fromkeys([*figure.values, *figure.notes]))
    return list(found)


def number(value: float) -> str:
    """A value with as many digits as tell something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
