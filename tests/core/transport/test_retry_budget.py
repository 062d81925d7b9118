"""How many calls may be made again."""

from __future__ import annotations

from dynamo_core.transport.retry_budget import LARGEST, RetryBudget


def take_all(budget: RetryBudget) -> int:
    count = 0
    while budget.take():
        count += 1
    return count


def test_some_retries_are_there_from_the_start():
    """The first calls of a run may meet a worker that dies."""
    assert take_all(RetryBudget()) == 3


def test_each_call_earns_a_fifth():
    """200 calls may be made 243 times in all."""
    budget = RetryBudget()
    budget.calls += 200
    assert take_all(budget) == 43
    assert not budget.take()


def test_savings_are_bounded():
    """A long calm does not pay for a storm."""
    budget = RetryBudget()
    budget.calls += 10_000_000
    assert take_all(budget) == LARGEST
