"""The deadlines of many calls behind one timer."""

from __future__ import annotations

import heapq
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

SPARE_ENTRIES: Final = 256
EARLY_S: Final = 0.001
"""How much too early a loop's timer may fire."""


class Deadlines:
    """Calls something for every number whose time has passed and that is still wanted.

    Most calls end long before their deadline, so nothing is taken out then: numbers that are no longer wanted are
    dropped when they come up, or when they are too many.

    Args:
        loop: The running loop.
        is_open: Whether a number is still wanted.
        expire: Called with each number whose deadline has passed; it is not wanted after that.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        is_open: Callable[[int], bool],
        expire: Callable[[int], None],
    ) -> None:
        self._loop = loop
        self._is_open = is_open
        self._expire = expire
        self._heap: list[tuple[float, int]] = []
        self._largest = SPARE_ENTRIES
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")

    def add(self, deadline: float, number: int) -> None:
        """Watch over *number* until *deadline*, in seconds of :func:`time.monotonic`."""
        heapq.heappush(self._heap, (deadline, number))
        if deadline < self._timer_at:
            self._arm(deadline)
        if len(self._heap) > self._largest:
            self._compact()

    def close(self) -> None:
        """Forget everything. Safe to call twice."""
        self._heap.clear()
        self._disarm()

    def __len__(self) -> int:
        return len(self._heap)

    def _arm(self, deadline: float) -> None:
        self._disarm()
        self._timer_at = deadline
        self._timer = self._loop.call_later(max(0.0, deadline - time.monotonic()), self._fire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = float("inf")

    def _fire(self) -> None:
        self._timer = None
        self._timer_at = float("inf")
        now = time.monotonic() + EARLY_S
        heap = self._heap
        while heap:
            deadline, number = heap[0]
            if not self._is_open(number):
                heapq.heappop(heap)
            elif deadline <= now:
                heapq.heappop(heap)
                self._expire(number)
            else:
                self._arm(deadline)
                return

    def _compact(self) -> None:
        self._heap = [entry for entry in self._heap if self._is_open(entry[1])]
        heapq.heapify(self._heap)
        self._largest = 2 * len(self._heap) + SPARE_ENTRIES
