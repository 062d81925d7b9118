"""Medians, spread, ratios, and whether a budget is kept."""

from __future__ import annotations

import pytest

from benchmarks.figures import number, sides_of

from .figures_for_tests import rate_figure, time_figure


def test_median_and_spread_are_over_all_starts() -> None:
    figure = time_figure()
    assert figure.median("circus") == 120
    assert figure.spread("circus") == (119, 150)


def test_ratio_is_of_medians() -> None:
    assert time_figure().ratio("circus") == pytest.approx(1.2)


def test_side_without_values_has_nothing() -> None:
    figure = time_figure()
    assert figure.median("bento") is None
    assert figure.spread("bento") is None
    assert figure.ratio("bento") is None


def test_there_is_no_ratio_without_a_base() -> None:
    assert time_figure(base="").ratio("circus") is None
    assert time_figure(values={"circus": [1.0]}).ratio("circus") is None


@pytest.mark.parametrize(
    ("budget", "is_met"), [pytest.param(1.2, True, id="just kept"), pytest.param(1.1, False, id="missed")]
)
def test_less_is_better_for_times(budget: float, is_met: bool) -> None:
    assert time_figure(budget=budget).is_met is is_met


@pytest.mark.parametrize(
    ("budget", "is_met"), [pytest.param(0.6, True, id="just kept"), pytest.param(0.7, False, id="missed")]
)
def test_more_is_better_for_rates(budget: float, is_met: bool) -> None:
    assert rate_figure(budget=budget).is_met is is_met


def test_limit_is_for_the_value_itself() -> None:
    assert time_figure(budget=None, limit=120).is_met is True
    assert time_figure(budget=None, limit=119).is_met is False


def test_budget_and_limit_must_both_be_kept() -> None:
    assert time_figure(budget=1.3, limit=119).is_met is False


def test_nothing_is_met_or_missed_without_a_value_or_a_budget() -> None:
    assert time_figure(budget=None).is_met is None
    assert time_figure(values={"floor": [100.0]}).is_met is None


def test_budget_is_for_the_named_side() -> None:
    figure = time_figure(values={"floor": [100.0], "transport": [110.0], "circus": [200.0]}, ours="transport")
    assert figure.is_met is True


def test_sides_are_in_the_order_of_their_appearance() -> None:
    first = time_figure(notes={"bento": "failed"})
    second = rate_figure(values={"ray_serve": [1.0], "floor": [2.0]})
    assert sides_of([first, second]) == ["floor", "circus", "bento", "ray_serve"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(182_345.6, "182,346"), (100.0, "100"), (16.04, "16.0"), (1.234, "1.23"), (0.5, "0.50")],
)
def test_number_has_as_many_digits_as_tell_something(value: float, text: str) -> None:
    assert number(value) == text
