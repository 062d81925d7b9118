"""Hear of the end of a child process without reaping it, and without SIGCHLD, which belongs to the whole program."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def call_at_end(pid: int, ended: Callable[[], None]) -> Callable[[], None]:
    """Have *ended* called on the running loop once the child *pid* has ended; it is left to be reaped.

    Args:
        pid: A child of this process that nobody else waits for.
        ended: Called once.

    Returns:
        What calls that off, on the same loop; once it was called, nothing is left to call off.
    """
    loop = asyncio.get_running_loop()
    if hasattr(os, "pidfd_open"):
        descriptor = os.pidfd_open(pid)

        def forget() -> None:
            if loop.remove_reader(descriptor):
                os.close(descriptor)

        def readable() -> None:
            forget()
            ended()

        loop.add_reader(descriptor, readable)
        return forget
    called_off = threading.Event()

    def tell() -> None:
        if not called_off.is_set():
            ended()

    def wait() -> None:  # macOS has no such descriptor
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=wait, name=f"end of {pid}", daemon=True).start()
    return called_off.set
