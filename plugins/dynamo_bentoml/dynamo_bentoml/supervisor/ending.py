"""Hear of the end of a child process without reaping it, and without SIGCHLD, which belongs to the whole program."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def call_at_end(pid: int, ended: Callable[[], None]) -> None:
    """Have *ended* called on the running loop once the child *pid* has ended; it is left to be reaped.

    Args:
        pid: A child of this process that nobody else waits for.
        ended: Called once.
    """
    loop = asyncio.get_running_loop()
    if hasattr(os, "pidfd_open"):
        descriptor = os.pidfd_open(pid)

        def readable() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            ended()

        loop.add_reader(descriptor, readable)
        return

    def wait() -> None:  # macOS has no such descriptor
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        loop.call_soon_threadsafe(ended)

    threading.Thread(target=wait, name=f"end of {pid}", daemon=True).start()
