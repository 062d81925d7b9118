"""Telling a supervisor how a worker is, from an event loop, so that nothing is lost when many tell at once.

The queue of a datagram socket is short (``net.unix.max_dgram_qlen``, often 10): what has no room is told again, and
what has changed by then takes the place of what was to be told.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Final

from dynamo_core.worker_kit.notification import NOTIFY_VARIABLE, notify

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_RETRY_S: Final = 0.02
LONGEST_RETRY_S: Final = 0.5


class Teller:
    """Tells the latest state; never blocks, and may be called from any thread.

    What one that runs outside an event loop cannot hand over waits for the next call.
    """

    def __init__(self) -> None:
        self._untold: dict[str, str] = {}
        self._lock = threading.Lock()
        self._retry_s = FIRST_RETRY_S
        self._is_waiting = False

    def __call__(self, state: Mapping[str, str]) -> None:
        """Tell the supervisor; nothing happens in a process that no supervisor listens to."""
        if not os.environ.get(NOTIFY_VARIABLE):
            return
        with self._lock:
            self._untold.update(state)
            if notify(self._untold, wait_s=0):
                self._untold.clear()
                self._retry_s = FIRST_RETRY_S
                return
        self._tell_later()

    def _tell_later(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if not self._is_waiting:
            self._is_waiting = True
            loop.call_later(self._retry_s, self._retry)
            self._retry_s = min(self._retry_s * 2, LONGEST_RETRY_S)

    def _retry(self) -> None:
        self._is_waiting = False
        if self._untold:
            self({})
