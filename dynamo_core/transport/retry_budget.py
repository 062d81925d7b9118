"""How many calls may be made again after their worker was lost."""

from __future__ import annotations

from typing import Final

SHARE: Final = 0.2
"""Retries that each call earns."""

RESERVE: Final = 3.0
"""Retries that are there before any call was made."""

LARGEST: Final = 1000.0
"""What can be saved up, so that a long calm does not pay for a storm."""


class RetryBudget:
    """A share of the calls, so that retries cannot multiply the load on what is left.

    Attributes:
        calls: Calls made so far; whoever makes one adds 1.
    """

    __slots__ = ("_counted", "_saved", "calls")

    def __init__(self) -> None:
        self.calls = 0
        self._counted = 0
        self._saved = RESERVE

    def take(self) -> bool:
        """Take one retry; whether there was one."""
        self._saved = min(LARGEST, self._saved + SHARE * (self.calls - self._counted))
        self._counted = self.calls
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True
