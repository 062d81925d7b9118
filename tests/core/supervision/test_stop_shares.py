"""The stop time of a run, split along its graph."""

from __future__ import annotations

import pytest

from dynamo_core.supervision.stop_shares import StopShares

CHAIN = {"A": ("B",), "B": ("C",), "C": ()}


def test_a_chain_shares_the_time_of_one() -> None:
    """Whoever uses up its share leaves the others time for their hooks."""
    shares = StopShares(dict.fromkeys("ABC", 12.0), CHAIN, began=100.0)
    assert shares.total_s == 12.0
    assert shares.grace_s("A", 100.0) == pytest.approx(8.0)
    assert shares.grace_s("B", 108.0) == pytest.approx(2.0)
    assert shares.grace_s("C", 110.0) == pytest.approx(2.0)


def test_who_is_quick_leaves_more_to_others() -> None:
    """But nobody gets more than it asked for."""
    shares = StopShares({"A": 8.0, "B": 8.0, "C": 1.0}, CHAIN, began=0.0)
    assert shares.grace_s("B", 0.0) == pytest.approx(7.75)
    assert shares.grace_s("C", 1.0) == 1.0


def test_a_deep_graph_is_shared_in_proportion() -> None:
    """No level takes it all."""
    names = [f"S{level}" for level in range(20)]
    edges = {name: names[level + 1 : level + 2] for level, name in enumerate(names)}
    shares = StopShares(dict.fromkeys(names, 10.0), edges, began=0.0)
    now = 0.0
    for name in names:
        grace_s = shares.grace_s(name, now)
        assert grace_s == pytest.approx(0.5)
        now += grace_s
    assert now == pytest.approx(10.0)


def test_the_longest_path_counts() -> None:
    """A service beside it has all the time."""
    edges = {"Top": ("Deep", "Flat"), "Deep": ("Deeper",), "Deeper": (), "Flat": ()}
    shares = StopShares(dict.fromkeys(edges, 6.0), edges, began=0.0)
    assert shares.grace_s("Top", 0.0) == pytest.approx(3.0)
    assert shares.grace_s("Flat", 3.0) == pytest.approx(3.0)
    assert shares.grace_s("Deep", 3.0) == pytest.approx(1.5)


def test_stop_times_weigh() -> None:
    """A service that asks for much gets most of it."""
    shares = StopShares({"A": 60.0, "B": 1.0, "C": 1.0}, CHAIN, began=0.0)
    assert shares.grace_s("A", 0.0) == pytest.approx(59.5)
    assert shares.grace_s("B", 59.5) == pytest.approx(0.25)


def test_late_or_without_time_there_is_none() -> None:
    """Nothing is ever negative."""
    assert StopShares({"A": 0.0}, {}, began=0.0).grace_s("A", 0.0) == 0.0
    assert StopShares({"A": 2.0}, {}, began=0.0).grace_s("A", 3.0) == 0.0


def test_a_wide_graph_is_no_work() -> None:
    """Each service is looked at once, however many paths lead to it."""
    edges = {f"{level}": tuple(f"{level + 1}" for _ in range(2)) for level in range(60)} | {"60": ()}
    assert StopShares(dict.fromkeys(edges, 0.61), edges, began=0.0).grace_s("0", 0.0) == pytest.approx(0.01)
