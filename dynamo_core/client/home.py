"""Whether code runs on the event loop that a client belongs to, asked for every call.

Before Python 3.12, asyncio asks the kernel for the process id whenever it is asked for the running loop; that takes
longer than much else of a call.
So what was found once holds for the same thread, as long as the loop runs and this is the same process.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Final

_running_loop: Final = asyncio._get_running_loop
_thread: Final = threading.get_ident


class HomeLoop:
    """An event loop, and the thread that it was found running in.

    Args:
        loop: The loop.
    """

    __slots__ = ("_found_in", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._found_in = (0, 0)

    def is_current(self) -> bool:
        """Whether it is the loop that runs in this thread."""
        if self._found_in == (_thread(), _forks.count) and self._loop.is_running():
            return True
        if _running_loop() is not self._loop:
            return False
        _forks.watch()
        self._found_in = (_thread(), _forks.count)
        return True


class _Forks:
    """How often this process has been forked off: its loops run in the parent, not here."""

    def __init__(self) -> None:
        self.count = 0
        self._is_watching = False

    def watch(self) -> None:
        """Count from now on. Safe to call twice."""
        if not self._is_watching:
            self._is_watching = True
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._count)

    def _count(self) -> None:
        self.count += 1


_forks: Final = _Forks()
