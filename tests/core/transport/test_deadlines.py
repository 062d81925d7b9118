"""Many deadlines behind one timer."""

from __future__ import annotations

import asyncio
import time

from dynamo_core.transport.deadlines import SPARE_ENTRIES, Deadlines

from .serving_for_tests import eventually


class Calls:
    """Open numbers, and those that have expired."""

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.expired: list[int] = []
        self.deadlines = Deadlines(asyncio.get_running_loop(), self.open.__contains__, self._expire)

    def add(self, number: int, after_s: float) -> None:
        self.open.add(number)
        self.deadlines.add(time.monotonic() + after_s, number)

    def _expire(self, number: int) -> None:
        self.open.discard(number)
        self.expired.append(number)


async def test_numbers_expire_in_the_order_of_their_deadlines():
    """Whatever the order in which they were added."""
    calls = Calls()
    for number, after_s in ((1, 0.03), (2, 0.01), (3, 0.02)):
        calls.add(number, after_s)
    await eventually(lambda: not calls.open)
    assert calls.expired == [2, 3, 1]
    assert len(calls.deadlines) == 0


async def test_a_number_that_is_done_does_not_expire():
    """It is dropped when it comes up."""
    calls = Calls()
    calls.add(1, 0.01)
    calls.add(2, 0.02)
    calls.open.discard(1)
    await eventually(lambda: not calls.open)
    assert calls.expired == [2]


async def test_a_deadline_that_has_passed_expires_in_the_next_turn():
    """And not in the middle of the call that adds it."""
    calls = Calls()
    calls.add(1, -1.0)
    assert calls.expired == []
    await eventually(lambda: calls.expired == [1])


async def test_numbers_that_are_done_do_not_pile_up():
    """A long deadline and many quick calls take no memory."""
    calls = Calls()
    for number in range(100 * SPARE_ENTRIES):
        calls.add(number, 3600.0)
        calls.open.discard(number)
    assert len(calls.deadlines) <= SPARE_ENTRIES + 1
    calls.deadlines.close()


async def test_nothing_expires_after_close():
    """Its connection is gone."""
    calls = Calls()
    calls.add(1, 0.0)
    calls.deadlines.close()
    later = Calls()
    later.add(2, 0.005)
    await eventually(lambda: later.expired == [2])
    assert calls.expired == []
