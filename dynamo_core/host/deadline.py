"""Ending calls at their deadlines."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import TYPE_CHECKING, Final

from dynamo_core.errors import CallTimeoutError

if TYPE_CHECKING:
    from dynamo_core.host.context import CallContext
    from dynamo_core.host.running import Interruptible

PATIENCE_S: Final = 0.05
"""How much later a call is cancelled that waits for another one."""
_SPARE: Final = 256
_EARLY_S: Final = 0.001
"""How much too early a loop's timer may fire."""

_monotonic: Final = time.monotonic


class Deadline:
    """The deadline of one call; :meth:`DeadlineClock.watch` makes it, and whoever asked for it calls :meth:`stop`.

    :func:`asyncio.timeout` does not fit: a stream's consumer does other things between the steps, and an endpoint
    that swallows its cancellation must not look as if it had answered in time.

    Args:
        context: The call; it has a deadline.
        running: What to cancel.
        limit_s: Seconds, for the message, where the limit is the endpoint's own.

    Attributes:
        has_passed: Whether the call's time is up.
        has_fired: Whether the call was cancelled for it.
        is_wanted: Whether the call still runs.
    """

    __slots__ = ("_context", "_limit_s", "_running", "_slow", "has_fired", "has_passed", "is_wanted")

    def __init__(self, context: CallContext, running: Interruptible, limit_s: float | None) -> None:
        self._context = context
        self._running = running
        self._limit_s = limit_s
        self._slow: tuple[str, str] | None = None
        self.has_passed = False
        self.has_fired = False
        self.is_wanted = True

    def stop(self) -> None:
        """The call has ended."""
        self.is_wanted = False

    def pass_by(self) -> bool:
        """Note that the time is up, and cancel the call, unless it waits for another one for the first time.

        The time of that one was up earlier, and its error, which names the slowest service of a chain, must be on
        its way; a little patience lets it come first even on a machine that is busy.

        Returns:
            Whether to pass by again after ``PATIENCE_S`` seconds.
        """
        context = self._context
        self._slow = self._slow or context.slow or (context.waiting_for[0] if context.waiting_for else None)
        if self._slow is not None and not self.has_passed:
            self.has_passed = True
            return True
        self.has_passed = self.has_fired = True
        self.is_wanted = False
        context.cancel()
        self._running.cancel()
        return False

    def error(self) -> CallTimeoutError:
        """What the caller meets: it names the service this one was waiting for, if it was."""
        slow = self._context.slow or self._slow
        if slow is not None:
            return CallTimeoutError(*slow)
        return CallTimeoutError(self._context.service, self._context.endpoint, timeout_s=self._limit_s)


class DeadlineClock:
    """Fires the deadlines of one host's calls, with one timer of the loop for all of them.

    Nearly all calls end before their deadline; taking each out then would cost more than to pass over it later.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Deadline]] = []
        self._numbers = itertools.count()
        self._largest = _SPARE
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")

    def watch(self, context: CallContext, running: Interruptible, limit_s: float | None) -> Deadline:
        """Have *running* cancelled once the deadline of *context* has passed; it must have one."""
        at = context.deadline
        assert at is not None
        deadline = Deadline(context, running, limit_s)
        heapq.heappush(self._heap, (at, next(self._numbers), deadline))
        if at < self._timer_at:
            self._arm(at)
        if len(self._heap) > self._largest:
            self._sweep()
        return deadline

    def close(self) -> None:
        """Fire no more. Safe to call twice."""
        self._heap.clear()
        self._disarm()

    def __len__(self) -> int:
        return len(self._heap)

    def _arm(self, at: float) -> None:
        self._disarm()
        self._timer_at = at
        left_s = max(0.0, at - _monotonic())
        self._timer = asyncio.get_running_loop().call_later(left_s, self._fire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._timer_at = float("inf")

    def _fire(self) -> None:
        self._disarm()
        heap, now = self._heap, _monotonic() + _EARLY_S
        while heap:
            at, _, deadline = heap[0]
            if deadline.is_wanted and at > now:
                self._arm(at)
                return
            heapq.heappop(heap)
            if deadline.is_wanted and deadline.pass_by():
                heapq.heappush(heap, (_monotonic() + PATIENCE_S, next(self._numbers), deadline))

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if entry[2].is_wanted]
        heapq.heapify(self._heap)
        self._largest = 2 * len(self._heap) + _SPARE
