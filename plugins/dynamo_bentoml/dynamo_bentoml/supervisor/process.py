"""One worker process, from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from typing import TYPE_CHECKING

import attrs

from dynamo_bentoml.supervisor.channel import ReportingChannel
from dynamo_core.supervision.aborting import abort_worker
from dynamo_core.supervision.ending import call_at_end
from dynamo_core.supervision.output import WorkerOutput
from dynamo_core.supervision.starting import describe_end, start_worker

if TYPE_CHECKING:
    import socket
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Protocol

    from dynamo_core.logs.lines import LineBatch

    class ProcessWatcher(Protocol):
        """Hears of a worker process."""

        def wrote(self, lines: LineBatch) -> None:
            """It has written lines."""

        def told(self, process: WorkerProcess, fields: Mapping[str, str]) -> None:
            """It tells how it is."""

        def group_killed(self, process: WorkerProcess) -> None:
            """It has ended, and its group was killed; its number is about to become free."""

        def ended(self, process: WorkerProcess) -> None:
            """It has ended and been reaped."""


@attrs.frozen(kw_only=True)
class Launch:
    """How a worker process is started; nothing of it is formatted or expanded.

    Attributes:
        argv: The program and its arguments.
        env: Its whole environment.
        cwd: Its working directory.
        inherited: Descriptors that it gets under the same numbers; the supervisor's copies are closed.
        service: Name of its service.
        owner: What its environment, and that of whatever it starts, is marked with.
        channel: The supervisor's end of the channel.
        first_words: What is sent over that first.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    inherited: tuple[int, ...]
    service: str
    owner: str
    channel: socket.socket
    first_words: bytes


logger = logging.getLogger(__name__)


class WorkerProcess:
    """A worker; leader of a session and group of its own.

    Attributes:
        slot: Number of its slot.
        generation: How many workers the slot has had, this one included.
        launch: How it was started.
        pid: Its number.
        started_at: When, on the clock of ``time.monotonic()``.
        ready_at: When it became ready; None before that.
        is_paused: Whether a readiness hook of its service says no since then.
        beat_at: When it last showed that it makes progress.
        is_stopping: Whether it was told to stop.
        verdict: Why the supervisor killed it, in words; empty when it did not.
        exit_status: Its exit status, negative for a signal; None while it lives.
        became_ready: Set once it is ready.
        says_stopping: Set once it takes no more connections.
        has_ended: Set once it has ended and been reaped.
    """

    def __init__(self, launch: Launch, slot: int, generation: int, watcher: ProcessWatcher) -> None:
        self.slot = slot
        self.generation = generation
        self.launch = launch
        self.pid = 0
        self.started_at = 0.0
        self.ready_at: float | None = None
        self.is_paused = False
        self.beat_at = 0.0
        self.is_stopping = False
        self.verdict = ""
        self.exit_status: int | None = None
        self.became_ready = asyncio.Event()
        self.says_stopping = asyncio.Event()
        self.has_ended = asyncio.Event()
        self._watcher = watcher
        self._output = WorkerOutput(
            asyncio.get_running_loop(), watcher.wrote, service=launch.service, slot=slot
        )
        self._grace: asyncio.TimerHandle | None = None
        self._told_at = 0.0
        self._channel: ReportingChannel | None = None
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it takes calls and was not told to stop."""
        if self.ready_at is None or self.is_paused or self.is_stopping:
            return False
        return not self.has_ended.is_set()

    @property
    def last_lines(self) -> tuple[str, ...]:
        """What it wrote last, oldest first."""
        return self._output.last_lines

    def start(self) -> None:
        """Start the program.

        Raises:
            OSError: It cannot be started, or its end could not be heard of; it does not run, and everything that was
                opened for it has been closed.
        """
        launch = self.launch
        try:
            self._popen = start_worker(
                launch.argv,
                env=launch.env,
                cwd=launch.cwd,
                inherited=launch.inherited,
                closed_after=launch.inherited,
                output=self._output,
            )
        except BaseException:
            launch.channel.close()
            raise
        self.pid = self._popen.pid
        self.started_at = time.monotonic()
        try:
            self._channel = ReportingChannel(launch.channel, self._told)
            self._channel.send(launch.first_words)
            call_at_end(self.pid, self._ended)
        except BaseException:
            self._take_back()
            raise

    def _take_back(self) -> None:
        """Undo a start after which the process would be looked after by nobody."""
        assert self._popen is not None, "it has been started"
        self.kill()
        self.exit_status = self._popen.wait()  # it has hardly begun, and takes no time to go
        self._output.finish()
        (self._channel or self.launch.channel).close()

    def send(self, data: bytes, *, descriptor: int | None = None) -> None:
        """Send *data* over its channel, with a copy of a descriptor."""
        if self._channel is not None:
            self._channel.send(data, descriptor=descriptor)

    def stop(self, grace_s: float) -> None:
        """Ask it to finish its calls and end, and kill it after its grace; asking again can only shorten that.

        Args:
            grace_s: Seconds, at least 0.
        """
        if self.exit_status is not None or self._popen is None:
            return
        loop = asyncio.get_running_loop()
        if self._grace is None:
            self.is_stopping = True
            self._told_at = loop.time()
            self._signal(signal.SIGTERM)
        elif self._grace.when() <= loop.time() + grace_s:
            return
        else:
            self._grace.cancel()
        self._grace = loop.call_later(grace_s, self._grace_over)

    def _grace_over(self) -> None:
        waited_s = asyncio.get_running_loop().time() - self._told_at
        logger.warning(
            "worker %s/%d did not stop within %.3g s and is killed", self.launch.service, self.slot, waited_s
        )
        self.kill()

    def kill(self, verdict: str = "") -> None:
        """Kill it and everything in its group; *verdict* says why, if it was not told to stop."""
        if self.exit_status is None and self._popen is not None:
            self.verdict = self.verdict or verdict
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def abort(self, verdict: str) -> None:
        """End it for *verdict*, with the stacks of its threads as its last words."""
        self.verdict = self.verdict or verdict
        if self.exit_status is None and self._popen is not None:
            abort_worker(self.pid)

    def describe_end(self) -> str:
        """How it ended, in words."""
        if self.verdict:
            return self.verdict
        return describe_end(self.exit_status, was_ready=self.ready_at is not None)

    def _signal(self, number: int) -> None:
        if self.exit_status is None and self._popen is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _told(self, fields: Mapping[str, str]) -> None:
        self._watcher.told(self, fields)

    def _ended(self) -> None:
        assert self._popen is not None, "it has been started"
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # it is not reaped yet, so that the number is still its own
        self._watcher.group_killed(self)
        self.exit_status = self._popen.wait()
        self._output.finish()
        if self._grace is not None:
            self._grace.cancel()
        if self._channel is not None:
            self._channel.close()
        self.has_ended.set()
        self._watcher.ended(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.launch.owner} pid {self.pid}>"
