"""Every budget has something that is measured for it."""

from __future__ import annotations

import pytest

from benchmarks import calls, lifecycle, work
from benchmarks.pinning import APART, ONE_CORE, PLACES
from benchmarks.work import FIRST, MANY, ONE_P50, RATE, READY, ROWS, SUSPENDING


def test_budgets_of_calls_are_for_rows_and_places_that_are_measured() -> None:
    assert {row for _, row in calls.BUDGETS} <= set(ROWS)
    assert {place for place, _ in calls.BUDGETS} == set(PLACES)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("row", [ONE_P50, RATE, READY, SUSPENDING, MANY, FIRST], ids=lambda row: row.name)
def test_calls_and_streams_have_budgets_in_both_places(place: str, row: work.Row) -> None:
    assert (place, row) in calls.BUDGETS


def test_latency_on_different_cores_has_the_narrower_budget() -> None:
    assert calls.BUDGETS[APART, ONE_P50] == 1.3
    assert calls.BUDGETS[ONE_CORE, ONE_P50] == 2.0


def test_rows_have_names_of_their_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_every_row_is_measured_once() -> None:
    measured = [row for rows, _ in work._WORK for row in rows]  # what there is
    assert sorted(row.name for row in measured) == sorted(row.name for row in ROWS)


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        (lifecycle.START, 0.5),
        (lifecycle.START_HTTP, 0.7),
        (lifecycle.MEMORY, 110),
        (lifecycle.RECOVERY, 0.2),
        (lifecycle.UNBEGUN, 0),
        (lifecycle.AGAIN_FAILED, 0),
        (lifecycle.IDLE, 3),
    ],
)
def test_start_memory_recovery_and_idle_have_limits(what: str, limit: float) -> None:
    assert lifecycle.ROWS[what][2] == limit
