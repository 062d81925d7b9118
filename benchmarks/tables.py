"""Figures as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from benchmarks.figures import NOT_INSTALLED, Figure, number, sides_of

TITLES = {
    "calls": "Calls and streams",
    "payloads": "Large payloads",
    "ingress": "HTTP from outside",
    "startup": "Start, memory, recovery, idle",
    "scaling": "As workers and services grow",
    "discovery": "Finding providers",
}


def to_markdown(figures: Sequence[Figure], names: dict[str, str]) -> str:
    """Tables, one for each part and place, and what is to be said below them.

    Args:
        figures: In order.
        names: What sides are called, by side.
    """
    parts: list[str] = []
    for (part, place), group in groupby(figures, key=lambda each: (each.part, each.place)):
        title = TITLES.get(part, part)
        parts.append(f"### {title}, {place}" if place else f"### {title}")
        parts.append("\n".join(_table(list(group), names)))
    return "\n\n".join(parts) + "\n"


def _table(figures: list[Figure], names: dict[str, str]) -> Iterator[str]:
    sides = sides_of(figures)
    has_budget = any(figure.budget is not None or figure.limit is not None for figure in figures)
    head = ["", "unit", *(names.get(side, side) for side in sides), *(["budget"] if has_budget else [])]
    yield _row(head)
    yield _row(["---"] * len(head))
    notes: list[str] = []
    for figure in figures:
        cells = [figure.work, figure.unit, *(_cell(figure, side) for side in sides)]
        if has_budget:
            cells.append(_budget(figure))
        yield _row(cells)
        notes += [
            f"- {figure.work}, {names.get(side, side)}: {note}"
            for side, note in figure.notes.items()
            if note != NOT_INSTALLED
        ]
    if notes:
        yield ""
        yield from notes


def _cell(figure: Figure, side: str) -> str:
    median, spread = figure.median(side), figure.spread(side)
    if median is None or spread is None:
        note = figure.notes.get(side)
        return NOT_INSTALLED if note == NOT_INSTALLED else "failed" if note else "-"
    text = f"**{number(median)}** ({number(spread[0])} to {number(spread[1])})"
    ratio = figure.ratio(side)
    return f"{text} {ratio:.2f}×" if ratio is not None and side != figure.base else text


def _budget(figure: Figure) -> str:
    sign = "≥" if figure.more_is_better else "≤"
    wanted = []
    if figure.budget is not None:
        wanted.append(f"{sign} {figure.budget:g}×")
    if figure.limit is not None:
        wanted.append(f"{sign} {figure.limit:g} {figure.unit}")
    if not wanted:
        return ""
    told = {True: "met", False: "**not met**", None: "not measured"}[figure.is_met]
    return f"{' and '.join(wanted)}: {told}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
