"""The page of the documentation that shows the latest figures: its tables and its picture are written from here.

What has been written is kept as JSON beside the page, so that a run of some parts renews these and keeps the others.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks import machine
from benchmarks.calls import ROOT
from benchmarks.figures import Figure, number
from benchmarks.picture import to_svg
from benchmarks.pinning import APART, ONE_CORE
from benchmarks.sides import SIDES
from benchmarks.tables import to_markdown
from benchmarks.work import FIRST, MODEL_RATE, ONE_P50, RATE, READY, SUSPENDING

PAGE = ROOT / "docs" / "explanation" / "performance.md"
BEGIN = "<!-- figures: written by make bench -->"
END = "<!-- figures: end -->"
SHOWN = (
    (APART, ONE_P50.name),
    (ONE_CORE, ONE_P50.name),
    (APART, RATE.name),
    (APART, MODEL_RATE.name),
    (APART, READY.name),
    (APART, SUSPENDING.name),
    (APART, FIRST.name),
)
"""Place and work of what the picture shows."""

PARTS = ("calls", "payloads", "ingress", "startup", "scaling", "discovery")
FEWEST_STARTS = 5
_PATH = re.compile(r"(?<![\w.])/(?:[\w.@+-]+/)+[\w.@+-]*")


def write(figures: Sequence[Figure], names: dict[str, str], page: Path = PAGE) -> None:
    """Renew the page, its picture and its JSON with the parts that have been measured.

    Args:
        figures: What has been measured.
        names: What sides are called, by side.
        page: The page; the others lie beside it.
    """
    kept = read(page.with_suffix(".json"))
    runs = kept["runs"]
    for part in {figure.part for figure in figures}:
        runs[part] = {"day": datetime.datetime.now(datetime.UTC).date().isoformat(), **machine.describe()}
    measured = {figure.part for figure in figures}
    old = [Figure(**fields) for fields in kept["figures"] if fields["part"] not in measured]
    both = sorted([*old, *figures], key=lambda figure: PARTS.index(figure.part))
    fields = [_without_paths(attrs.asdict(figure)) for figure in both]
    clean = [Figure(**each) for each in fields]
    page.with_suffix(".json").write_text(
        json.dumps({"runs": runs, "figures": fields}, indent=1, ensure_ascii=False) + "\n", "utf-8"
    )
    shown = {(figure.place, figure.work): figure for figure in clean}
    panels = [shown[each] for each in SHOWN if each in shown]
    page.with_suffix(".svg").write_text(to_svg(panels, SIDES, "Calls between two services"), "utf-8")
    page.write_text(fill(page.read_text("utf-8"), to_block(clean, names, runs)), "utf-8")


def read(path: Path) -> dict[str, Any]:
    """What was written before, if anything was."""
    if not path.is_file():
        return {"runs": {}, "figures": []}
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def fill(text: str, block: str) -> str:
    """Put a block between the marks of a page.

    Raises:
        ValueError: The page has no marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page wants the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{block.strip()}\n\n{END}{after}"


def to_block(figures: Sequence[Figure], names: dict[str, str], runs: dict[str, dict[str, str]]) -> str:
    """Budgets, tables and what they were measured on, as Markdown."""
    return "\n\n".join(
        [
            *_warning(figures),
            "### Budgets",
            "\n".join(budget_table(figures)),
            to_markdown(figures, names).strip(),
            "### Measured on",
            "\n".join(_machines(runs)),
        ]
    )


def _warning(figures: Sequence[Figure]) -> Iterator[str]:
    """A sentence on parts that were only tried."""
    tried = {
        figure.part for figure in figures for values in figure.values.values() if len(values) < FEWEST_STARTS
    }
    if tried:
        parts = ", ".join(part for part in PARTS if part in tried)
        yield f"**Of these, some were started fewer than {FEWEST_STARTS} times, and only tried: {parts}.**"


def budget_table(figures: Sequence[Figure]) -> Iterator[str]:
    """A line for each figure that has a budget, and whether it is met."""
    yield "| what | where | budget | ours | |"
    yield "|---|---|---|---|---|"
    for figure in figures:
        sign = "≥" if figure.more_is_better else "≤"
        verdict = {True: "met", False: "**not met**", None: "not measured"}[figure.is_met]
        for wanted, value, unit in (
            (figure.budget, figure.ratio(figure.ours), "×"),
            (figure.limit, figure.median(figure.ours), f" {figure.unit}"),
        ):
            if wanted is not None:
                ours = "-" if value is None else f"{number(value)}{unit}"
                yield f"| {figure.work} | {figure.place} | {sign} {wanted:g}{unit} | {ours} | {verdict} |"


def _machines(runs: dict[str, dict[str, str]]) -> Iterator[str]:
    """Each machine once, with the parts that were measured on it."""
    parts: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for part in PARTS:
        if part in runs:
            parts.setdefault(tuple(runs[part].items()), []).append(part)
    for run, of in parts.items():
        day, *facts = run
        yield f"- {', '.join(of)} on {day[1]}: " + "; ".join(f"{name} {value}" for name, value in facts)


def _without_paths(fields: dict[str, Any]) -> dict[str, Any]:
    """The same with no path of the machine in what is told of errors."""
    notes = {side: _PATH.sub("…", note) for side, note in fields["notes"].items()}
    return {**fields, "notes": notes}
