"""Threads for code that blocks: made when needed, used again, never waited for when stuck."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Final

_JOIN_TIMEOUT_S: Final = 1.0

Job = Callable[[], Callable[[], None]]
"""What a thread runs. It returns what tells its outcome, which is called once the thread is free for the next job."""


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
        self._threads: set[_Thread] = set()
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
        return len(self._threads)

    def submit(self, job: Job) -> None:
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
        thread = _Thread(self._went_idle, job, f"{self._name}-{number}")
        with self._lock:
            self._threads.add(thread)
        try:
            thread.start()
        except BaseException:
            with self._lock:
                self._busy -= 1
                self._threads.discard(thread)
            raise

    def close(self) -> None:
        """Let every thread end after its job, and wait for the idle ones; safe to call twice."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
            ending = [thread for thread in self._threads if thread.is_done or thread in idle]
        for thread in idle:
            thread.jobs.put(None)
        give_up = time.monotonic() + _JOIN_TIMEOUT_S
        for thread in ending:
            thread.join(max(0.0, give_up - time.monotonic()))
            self._threads.discard(thread)

    def _went_idle(self, thread: _Thread) -> bool:
        """Take back a thread whose job is done; False when it should end."""
        with self._lock:
            self._busy -= 1
            if not self._is_closed:
                self._idle.append(thread)
                return True
            thread.is_done = True
            return False


class _Thread(threading.Thread):
    """One thread, and the jobs it is handed."""

    def __init__(self, went_idle: Callable[[_Thread], bool], first_job: Job, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.jobs.put(first_job)
        self.is_done = False
        self._went_idle = went_idle

    def run(self) -> None:
        goes_on = True
        while goes_on and (job := self.jobs.get()) is not None:
            tell = job()
            del job  # what it holds must not live until the next one comes
            goes_on = self._went_idle(self)
            tell()
            del tell
