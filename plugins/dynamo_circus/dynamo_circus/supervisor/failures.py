"""When a slot's next worker may be spawned, and when its failures pass a limit.

Pure: no clock, no timers, no processes.
The watcher tells it what happened and when (``time.monotonic()`` seconds) and acts on what it answers.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 30.0
JITTER: Final = 0.1


@attrs.frozen(kw_only=True)
class RestartLimits:
    """What one slot's failures are measured against.

    Attributes:
        stable_time_s: Seconds of ready time that clear the count of failures.
        max_failures: Consecutive failures at which the first limit is reached, at least 1.
        max_restarts: Restarts within the window at which the second limit is reached, at least 1.
        restart_window_s: Seconds over which restarts are counted.
    """

    stable_time_s: float = 1.0
    max_failures: int = 8
    max_restarts: int = 120
    restart_window_s: float = 300.0


@attrs.frozen(kw_only=True)
class DeathVerdict:
    """What follows from a worker's death.

    Attributes:
        delay_s: Seconds until the slot's next worker may be spawned, if it is to have one.
        limit: The limit this death has reached, in words; None while within both.
    """

    delay_s: float
    limit: str | None = None


class FailureAccount:
    """The failures of one slot.

    A failure is a death with less than ``stable_time_s`` of ready time.
    The first replacement is immediate, the n-th after it waits 0.1 s × 2ⁿ⁻¹ ± 10 %, 30 s at most;
    past a limit the wait is the longest one at once.

    Args:
        limits: What to measure against.
        jitter: Gives a number in [0, 1); the default is random.
    """

    def __init__(self, limits: RestartLimits, *, jitter: Callable[[], float] = random.random) -> None:
        self.limits = limits
        self.failures = 0
        self._jitter = jitter
        self._ready_since: float | None = None
        self._restarts: deque[float] = deque()

    def record_ready(self, now: float) -> None:
        """The slot's worker has become ready."""
        self._ready_since = now

    def settle(self, now: float) -> bool:
        """Clear the count if the worker has been ready long enough; whether it has."""
        if self._ready_since is None or now - self._ready_since < self.limits.stable_time_s:
            return False
        self.failures = 0
        return True

    def record_death(self, now: float) -> DeathVerdict:
        """The slot's worker has died without having been told to stop."""
        was_stable = self.settle(now)
        self._ready_since = None
        if not was_stable:
            self.failures += 1
        self._restarts.append(now)
        while self._restarts and now - self._restarts[0] > self.limits.restart_window_s:
            self._restarts.popleft()
        limit = self._reached_limit()
        delay_s = self._vary(LONGEST_DELAY_S) if limit else self._back_off()
        return DeathVerdict(delay_s=delay_s, limit=limit)

    def forget(self) -> None:
        """Start anew: the slot was restarted on request. How long its worker has been ready still counts."""
        self.failures = 0
        self._restarts.clear()

    def _reached_limit(self) -> str | None:
        if self.failures >= self.limits.max_failures:
            return f"{self.failures} failures in a row, none ready for {self.limits.stable_time_s:g} s"
        if len(self._restarts) >= self.limits.max_restarts:
            return f"{len(self._restarts)} restarts within {self.limits.restart_window_s:g} s"
        return None

    def _back_off(self) -> float:
        if self.failures <= 1:
            return 0.0
        return self._vary(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** (self.failures - 2)))

    def _vary(self, delay_s: float) -> float:
        return delay_s * (1 - JITTER + 2 * JITTER * self._jitter())
