"""Everything that ends in the supervisor process is looked at here, and reaped in the right order.

A worker's end is *seen* first (``WNOWAIT``), so that its process group can be killed while its pid cannot be
reused; the watcher reaps it after that.
Orphans that this process adopted as a subreaper are reaped at once.
Children that some library of this process started itself are left to it: they are told by their session, which
is this process's own, while every worker and whatever it leaves behind lives in another one.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dynamo_circus.notify import session_of
from dynamo_core import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

PR_SET_CHILD_SUBREAPER: Final = 36
LOOK: Final = os.WEXITED | os.WNOHANG | os.WNOWAIT


def become_subreaper() -> bool:
    """Have orphaned descendants become children of this process; whether the platform can."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def children_of_this_process() -> list[int]:
    """Pids of the direct children, zombies included, whichever thread started them."""
    pids: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            pids += map(int, task.read_text().split())
    return pids


def owner_of(pid: int) -> str | None:
    """The worker whose environment a process was started with; None when it cannot be told."""
    prefix = f"{environment.WORKER_ID}=".encode()
    try:
        block = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    for entry in block.split(b"\0"):
        if entry.startswith(prefix):
            return entry[len(prefix) :].decode(errors="replace")
    return None


class Reaper:
    """Tells workers' ends to whoever watches them, and reaps adopted orphans.

    Attributes:
        orphans_reaped: Adopted processes whose end was collected.
    """

    def __init__(self) -> None:
        self.orphans_reaped = 0
        self._watched: dict[int, Callable[[], None]] = {}
        self._session = os.getsid(0)
        self._older = frozenset(children_of_this_process())

    def watch(self, pid: int, ended: Callable[[], None]) -> None:
        """Call *ended* once when *pid* has ended; it must reap the process with :meth:`collect`."""
        self._watched[pid] = ended

    def unwatch(self, pid: int) -> None:
        """Leave *pid* to its owner from now on."""
        self._watched.pop(pid, None)

    def scan(self) -> bool:
        """Look at every child once; called on SIGCHLD, and now and then in case one was missed.

        Returns:
            Whether anything had ended.
        """
        before = self.orphans_reaped
        ended_any = False
        for pid, ended in list(self._watched.items()):
            if self.has_ended(pid):
                ended_any = True
                self._watched.pop(pid, None)
                ended()
        for pid in self._ended_strangers():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
                self.orphans_reaped += 1
        return ended_any or self.orphans_reaped != before

    @staticmethod
    def has_ended(pid: int) -> bool:
        """Whether a child has ended; it stays to be reaped."""
        try:
            return os.waitid(os.P_PID, pid, LOOK) is not None
        except ChildProcessError:
            return True

    @staticmethod
    def collect(pid: int, *, killed: Callable[[], None] = lambda: None) -> int | None:
        """Kill what is left of the group that *pid* leads, then reap *pid*.

        Args:
            pid: A child that has ended.
            killed: Called between the two, while the group's number can belong to nobody else.

        Returns:
            Its exit status, negative for a signal; None when somebody else reaped it.
        """
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        killed()
        try:
            _, status = os.waitpid(pid, 0)
        except ChildProcessError:
            return None
        return os.waitstatus_to_exitcode(status)

    def strangers(self) -> Iterator[int]:
        """Pids of adopted descendants, living or not: children of later than this object, in another session than
        this process's, that nobody watches.
        """
        for pid in children_of_this_process():
            if (
                pid not in self._watched
                and pid not in self._older
                and session_of(pid) not in {None, self._session}
            ):
                yield pid

    def kill_strangers(self, is_wanted: Callable[[str | None, int | None], bool]) -> int:
        """Kill adopted descendants that *is_wanted* (owner, session) does not claim; how many."""
        killed = 0
        for pid in self.strangers():
            if is_wanted(owner_of(pid), session_of(pid)):
                continue
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
        return killed

    def _ended_strangers(self) -> list[int]:
        found = self._peek()
        if found is None:
            return []
        return [pid for pid in self.strangers() if self.has_ended(pid)]

    @staticmethod
    def _peek() -> int | None:
        try:
            result = os.waitid(os.P_ALL, 0, LOOK)
        except ChildProcessError:
            return None
        return result.si_pid if result is not None else None
