"""How a worker that hangs is ended, so that it tells where."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal


def abort_worker(pid: int) -> None:
    """End a worker of this process with SIGABRT, upon which a Python worker writes the stacks of its threads.

    Its main thread gets the signal.
    One that is sent to the process may be taken by another thread, and the main thread of a worker that was stopped
    goes on meanwhile: it would answer a call whose worker is said to hang, and its stack would not show where it was.

    Nothing happens when it has ended; it must not have been reaped by anybody.
    """
    if not _signal_main_thread(pid, signal.SIGABRT):
        _signal(pid, signal.SIGABRT)
    _signal(pid, signal.SIGCONT)


def _signal_main_thread(pid: int, number: signal.Signals) -> bool:
    """Send a signal to one thread; False where that cannot be done."""
    tgkill = getattr(ctypes.CDLL(None), "tgkill", None)  # glibc has it since 2.30
    return tgkill is not None and tgkill(pid, pid, int(number)) == 0


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
