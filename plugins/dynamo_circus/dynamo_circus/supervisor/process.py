"""One worker process, spawned without running Python code between fork and exec."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

import attrs
import psutil
from circus.process import Process as _Process

from dynamo_circus.supervisor.reaper import Reaper
from dynamo_core.supervision.aborting import abort_worker
from dynamo_core.supervision.starting import describe_end, start_worker
from dynamo_core.transport import encode_stop_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from dynamo_circus.supervisor.slots import Slot
    from dynamo_circus.supervisor.watcher import Watcher
    from dynamo_core.supervision.channel import WorkerChannel
    from dynamo_core.supervision.output import WorkerOutput


def _nothing() -> None:
    pass


@attrs.frozen(kw_only=True)
class Launch:
    """How one worker process is started; nothing of it is formatted or expanded.

    Attributes:
        argv: The program and its arguments.
        env: Its whole environment.
        cwd: Its working directory.
        inherited: Descriptors it gets, beside the standard ones, under the same numbers.
        close_after: Descriptors that the supervisor closes once the worker has its copies.
        owner: What the worker's environment, and that of whatever it starts, is marked with.
        channel: The supervisor's end of what the worker is told through.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    inherited: tuple[int, ...]
    close_after: tuple[int, ...] = ()
    owner: str = ""
    channel: WorkerChannel | None = None


class Process(_Process):  # type: ignore[misc]  # circus has no types
    """A worker: leader of its own session and group, with its own descriptors and no others.

    Circus's way of spawning runs ``preexec_fn``, which forces a copy of the supervisor's whole address space,
    and formats the command line; neither is used.
    Its end is only ever collected through :meth:`collect`.

    Attributes:
        launch: How it was started.
        place: Its slot.
        generation: How many workers the slot has had, this one included.
        is_ready: Whether it has said READY (or counts as ready).
        has_notified: Whether it has sent any notification.
        status_text: Its last STATUS.
        verdict: Why the watcher killed it, in words; None when it did not.
        told_at: When it was told to stop, on ``time.monotonic()``'s clock; None before.
        was_late: Whether it was killed because it did not stop in time.
        says_stopping: Whether it has said STOPPING: it takes no more calls, whoever wanted that.
        is_paused: Whether it has taken its READY back, and not given it again.
        beat_at: When it last said WATCHDOG, or READY, on ``time.monotonic()``'s clock.
        exit_status: Its exit status, negative for a signal, once collected.
        became_ready: Set once it is ready.
        ended: Set once it has been collected and what follows was decided.
    """

    def __init__(self, watcher: Watcher, launch: Launch, place: Slot, output: WorkerOutput) -> None:
        super().__init__(
            watcher.name, place.index, launch.argv[0], env=dict(launch.env), watcher=watcher, spawn=False
        )
        self.launch = launch
        self.place = place
        self.generation = place.generation
        self.output = output
        self.is_ready = False
        self.has_notified = False
        self.status_text = ""
        self.exit_status: int | None = None
        self.started_at = 0.0
        self.ready_at: float | None = None
        self.verdict: str | None = None
        self.told_at: float | None = None
        self.was_late = False
        self.says_stopping = False
        self.is_paused = False
        self.beat_at = 0.0
        self.became_ready = asyncio.Event()
        self.ended = asyncio.Event()
        self._collected = False

    def spawn(self) -> None:
        """Start the program.

        Raises:
            OSError, ValueError: It cannot be executed.
        """
        self.started = time.time()
        self.started_at = time.monotonic()
        launch = self.launch
        self._popen = start_worker(
            launch.argv,
            env=launch.env,
            cwd=launch.cwd,
            inherited=launch.inherited,
            closed_after=launch.close_after,
            output=self.output,
        )
        self._worker = psutil.Process(self._popen.pid)

    def collect(self, *, killed: Callable[[], None] = _nothing) -> int | None:
        """Kill what is left of its group, call *killed*, reap it, and take its last output; it must have ended."""
        if not self._collected:
            self._collected = True
            self.exit_status = Reaper.collect(self.pid, killed=killed)
            self._popen.returncode = self.exit_status if self.exit_status is not None else 0
            self.output.finish()
        return self.exit_status

    def returncode(self) -> int | None:
        """Its exit status once collected."""
        return self.exit_status

    def poll(self) -> int | None:
        """Its exit status once collected; never collects, unlike ``subprocess``."""
        return self.exit_status if self._collected else None

    def is_alive(self) -> bool:
        """Whether it has not been collected yet; after that, its pid may belong to another process."""
        return not self._collected

    def wait(self, timeout: float | None = None) -> None:
        """Not a way to wait here: it would take the exit status away from the reaper."""
        raise NotImplementedError("the reaper collects workers")

    def stop(self) -> None:
        """Nothing to do: the watcher stops workers and closes their pipes."""

    def send_signal(self, sig: int) -> None:
        """Signal the worker alone; nothing happens once it has been collected."""
        if not self._collected:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def tell_stop_time(self, seconds: float) -> None:
        """Tell the worker that it has only so long to stop, before it is asked to."""
        if self.launch.channel is not None:
            self.launch.channel.send(encode_stop_time(seconds))

    @property
    def is_beginning(self) -> bool:
        """Whether it has neither said anything yet nor counts as ready."""
        return not self.has_notified and self.ready_at is None and not self._collected

    def abort(self) -> None:
        """End it with the stacks of its threads as its last words; nothing happens once it has been collected."""
        if not self._collected:
            abort_worker(self.pid)

    def kill_group(self) -> None:
        """Kill the worker and whatever else is in its group."""
        if not self._collected:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def describe_end(self) -> str:
        """How it ended, in words."""
        if self.verdict is not None:
            return self.verdict
        if self.was_late:
            return "did not stop in time and was killed"
        if self.told_at is not None and self.exit_status in {0, -signal.SIGTERM}:
            return "was stopped"
        return describe_end(self.exit_status, was_ready=self.is_ready)

    __hash__ = object.__hash__
