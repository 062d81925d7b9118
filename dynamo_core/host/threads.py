"""Threads for code that blocks: made when needed, used again, never waited for when stuck."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_JOIN_TIMEOUT_S: Final = 1.0


class ThreadPool:
    """Runs functions in threads of its own.

    It has no limit: whoever submits sees to it that no more run at once than should. Unlike those of
    :mod:`concurrent.futures`, its threads are daemons, so that one which is stuck in a user's function does not
    keep the process from ending.

    Args:
        name: Beginning of the names of its threads.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._idle: list[_Thread] = []
        self._busy = 0
        self._made = 0
        self._is_closed = False

    @property
    def busy(self) -> int:
        """Threads that run a job now."""
        return self._busy

    @property
    def size(self) -> int:
        """Threads there are now."""
        return self._busy + len(self._idle)

    def submit(self, job: Callable[[], None]) -> None:
        """Run *job* in a thread, at once.

        Args:
            job: Must not raise.

        Raises:
            RuntimeError: The pool has been closed, or no thread can be started.
        """
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the threads of this worker have been told to end")
            self._busy += 1
            thread = self._idle.pop() if self._idle else None
            self._made += thread is None
            number = self._made
        if thread is not None:
            thread.jobs.put(job)
            return
        try:
            _Thread(self._went_idle, job, f"{self._name}-{number}").start()
        except BaseException:
            with self._lock:
                self._busy -= 1
            raise

    def close(self) -> int:
        """Let every thread end after its job, and wait for the idle ones; safe to call twice.

        Returns:
            How many still run a job.
        """
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for thread in idle:
            thread.jobs.put(None)
        give_up = time.monotonic() + _JOIN_TIMEOUT_S
        for thread in idle:
            thread.join(max(0.0, give_up - time.monotonic()))
        return self._busy

    def _went_idle(self, thread: _Thread) -> bool:
        """Take back a thread whose job is done; False when it should end."""
        with self._lock:
            self._busy -= 1
            if not self._is_closed:
                self._idle.append(thread)
            return not self._is_closed


class _Thread(threading.Thread):
    """One thread, and the jobs it is handed."""

    def __init__(
        self, went_idle: Callable[[_Thread], bool], first_job: Callable[[], None], name: str
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.jobs.put(first_job)
        self._went_idle = went_idle

    def run(self) -> None:
        while (job := self.jobs.get()) is not None:
            try:
                job()
            finally:
                del job  # what it holds must not live until the next one comes
                goes_on = self._went_idle(self)
            if not goes_on:
                return
