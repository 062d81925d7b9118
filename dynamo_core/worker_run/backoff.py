"""How long a slot waits for its next worker. No clock, no timers, no processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dynamo_core.config import SupervisionConfig

FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 30.0


class BackOff:
    """Counts a slot's failures in a row; times are those of ``time.monotonic()``.

    A failure is a death with less than ``stable_time_s`` of being ready. The first replacement comes at once, the n-th after it 0.1 s × 2ⁿ⁻¹ later, 30 s at most; past ``max_failures`` the
    wait is the longest one.

    Args:
        limits: The service's supervision.
    """

    def __init__(self, limits: SupervisionConfig) -> None:
        self._limits = limits
        self.failures = 0

    @property
    def is_past_limit(self) -> bool:
        """Whether the slot has failed as often as it may."""
        return self.failures >= self._limits.max_failures

    def record_death(self, now: float, *, ready_at: float | None) -> float:
        """A worker has died that was not told to stop; gives the seconds until the next one."""
        was_stable = ready_at is not None and now - ready_at >= self._limits.stable_time_s
        self.failures = 0 if was_stable else self.failures + 1
        if self.is_past_limit:
            return LONGEST_DELAY_S
        return 0.0 if self.failures <= 1 else min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** (self.failures - 2))
