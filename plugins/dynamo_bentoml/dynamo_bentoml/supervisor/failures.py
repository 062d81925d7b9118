"""When a slot may have its next worker, and when its failures pass a limit. No clock, no timers, no processes."""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynamo_core.config import SupervisionConfig

FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 30.0
JITTER: Final = 0.1


@attrs.frozen(kw_only=True)
class Verdict:
    """What follows from a worker's death.

    Attributes:
        delay_s: Seconds until the slot's next worker, if it is to have one.
        limit: The limit that this death has reached, in words; None while within both.
    """

    delay_s: float
    limit: str | None = None


class FailureAccount:
    """The failures of one slot; times are those of ``time.monotonic()``.

    A failure is a death with less than ``stable_time_s`` of being ready. The first replacement comes at once, the
    n-th after it 0.1 s × 2ⁿ⁻¹ later, 30 s at most, each ± 10 %; past a limit the wait is the longest one.

    Args:
        limits: The service's supervision.
        jitter: Gives a number in [0, 1).

    Attributes:
        failures: Failures in a row.
    """

    def __init__(self, limits: SupervisionConfig, *, jitter: Callable[[], float] = random.random) -> None:
        self.failures = 0
        self._limits = limits
        self._jitter = jitter
        self._deaths: deque[float] = deque()

    def record_death(self, now: float, *, ready_at: float | None) -> Verdict:
        """A worker has died that was not told to stop.

        Args:
            now: When.
            ready_at: Since when it had been ready; None if it never was.
        """
        limits = self._limits
        was_stable = ready_at is not None and now - ready_at >= limits.stable_time_s
        self.failures = 0 if was_stable else self.failures + 1
        self._deaths.append(now)
        while now - self._deaths[0] > limits.restart_window_s:
            self._deaths.popleft()
        limit = None
        if self.failures >= limits.max_failures:
            limit = f"{self.failures} failures in a row, none ready for {limits.stable_time_s:g} s"
        elif len(self._deaths) >= limits.max_restarts:
            limit = f"{len(self._deaths)} restarts within {limits.restart_window_s:g} s"
        delay_s = LONGEST_DELAY_S if limit else self._back_off_s()
        return Verdict(delay_s=delay_s * (1 - JITTER + 2 * JITTER * self._jitter()), limit=limit)

    def forget(self) -> None:
        """Start anew: the slot has been stable, or was restarted on request."""
        self.failures = 0
        self._deaths.clear()

    def _back_off_s(self) -> float:
        if self.failures <= 1:
            return 0.0
        return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** (self.failures - 2))
