"""Figures as Markdown."""

from __future__ import annotations

from benchmarks.figures import Figure
from benchmarks.tables import to_markdown

from .figures_for_tests import NAMES, rate_figure, time_figure


def rows_of(*figures: Figure) -> list[list[str]]:
    lines = to_markdown(figures, NAMES).splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def test_row_has_median_spread_and_ratio() -> None:
    _, _, row = rows_of(time_figure())
    assert row[0] == "one at a time"
    assert row[1] == "µs"
    assert row[2] == "**100** (90.0 to 110)"
    assert row[3] == "**120** (119 to 150) 1.20×"


def test_columns_have_the_names_of_sides() -> None:
    head, *_ = rows_of(time_figure())
    assert head[2:4] == ["floor", "ours, on circus"]


def test_budget_says_whether_it_is_met() -> None:
    assert rows_of(time_figure())[-1][-1] == "≤ 1.3×: met"
    assert rows_of(time_figure(budget=1.1))[-1][-1] == "≤ 1.1×: **not met**"
    assert rows_of(rate_figure())[-1][-1] == "≥ 0.5×: met"


def test_budget_that_nothing_was_measured_for_is_said_to_be_open() -> None:
    assert rows_of(time_figure(values={"floor": [100.0]}))[-1][-1] == "≤ 1.3×: not measured"


def test_table_without_budgets_has_no_column_for_them() -> None:
    head, *_ = rows_of(time_figure(budget=None))
    assert head[-1] == "ours, on circus"


def test_side_that_cannot_do_a_work_has_a_dash() -> None:
    figures = (time_figure(), rate_figure(values={"floor": [1.0], "bento": [0.1]}))
    assert rows_of(*figures)[2][4] == "-"
    assert rows_of(*figures)[3][3] == "-"


def test_failures_are_shown() -> None:
    figure = time_figure(notes={"bento": "OSError: gone"})
    text = to_markdown([figure], NAMES)
    assert rows_of(figure)[-1][4] == "failed"
    assert "- one at a time, BentoML: OSError: gone" in text


def test_failed_calls_are_told_beside_a_value() -> None:
    figure = rate_figure(notes={"circus": "3 of 500 calls failed"})
    text = to_markdown([figure], NAMES)
    assert "**600**" in text
    assert "- 64 in flight, ours, on circus: 3 of 500 calls failed" in text


def test_each_part_and_place_has_a_table() -> None:
    text = to_markdown(
        [time_figure(), time_figure(place="one core"), time_figure(part="startup", place="")], NAMES
    )
    titles = [line for line in text.splitlines() if line.startswith("#")]
    assert titles == [
        "### Calls and streams, apart",
        "### Calls and streams, one core",
        "### Start, memory, recovery, idle",
    ]


def test_all_rows_of_a_table_are_as_wide() -> None:
    rows = rows_of(time_figure(), rate_figure(budget=None, notes={"ray_serve": "failed"}))
    assert len({len(row) for row in rows}) == 1
