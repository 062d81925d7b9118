"""One worker of a run, from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from dynamo_core.supervision.channel import WorkerChannel
from dynamo_core.supervision.output import WorkerOutput
from dynamo_core.supervision.starting import describe_end
from dynamo_core.worker_run.notices import NoticeSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dynamo_core.logs.run_log import RunLog
    from dynamo_core.worker_run.engine import Engine, StartedWorker
    from dynamo_core.worker_run.launcher import Launch

logger = logging.getLogger(__name__)


class Worker:
    """A worker that an engine starts.

    Args:
        launch: What it is started with.
        log: Takes the lines that it writes.
        changed: Called whenever it became ready, stopped being so, or has ended.
        left: Told its mark once it has ended, as it may have left something behind.

    Attributes:
        slot: Number of its slot.
        generation: How many workers the slot has had, this one included.
        ready: Set once it takes calls.
        ended: Set once it has ended.
        ready_at: When it became ready, on the clock of ``time.monotonic()``; None before.
        is_stopping: Whether it was told to stop.
    """

    def __init__(
        self, launch: Launch, log: RunLog, changed: Callable[[], None], left: Callable[[str], None]
    ) -> None:
        self.slot = launch.order.slot
        self.generation = launch.order.generation
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()
        self.ready_at: float | None = None
        self.is_stopping = False
        self._launch = launch
        self._output = WorkerOutput(
            asyncio.get_running_loop(), log.write, service=launch.order.service, slot=self.slot
        )
        for stream, descriptor in launch.pipes.items():
            self._output.attach(descriptor, stream)
        self._changed = changed
        self._left = left
        self._is_paused = False
        self._verdict = ""
        self._status: int | None = None
        self._started: StartedWorker | None = None
        self._channel = WorkerChannel(launch.end)
        self._watching: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Number of its process; None before its start and where it has none."""
        return None if self._started is None else self._started.pid

    @property
    def takes_calls(self) -> bool:
        """Whether new calls may go to it."""
        return self.ready.is_set() and not (self._is_paused or self.is_stopping or self.ended.is_set())

    @property
    def state(self) -> str:
        """One word for its state, as ``WorkerStatus`` has them."""
        if self.ended.is_set():
            return "stopped"
        if self.is_stopping:
            return "stopping"
        return "ready" if self.takes_calls else "starting"

    @property
    def last_lines(self) -> tuple[str, ...]:
        """What it wrote last, oldest first."""
        return self._output.last_lines

    async def start(self, engine: Engine) -> None:
        """Start it; returns once its process exists.

        Raises:
            OSError: It cannot be started; everything that was opened for it has been closed.
        """
        notices: NoticeSocket | None = None
        try:
            notices = NoticeSocket(self._launch.notice_path, self._told)
            self._started = await engine.start(self._launch.order)
        except BaseException:
            self._channel.close()
            self._output.finish()
            if notices is not None:
                notices.close()
            self._left(self._launch.owner)
            raise
        finally:
            self._launch.close_inherited()
        self._channel.send(self._launch.first_words)
        name = f"end of {self._launch.order.service}/{self.slot}"
        self._watching = asyncio.create_task(self._watch(self._started, notices), name=name)

    async def _watch(self, started: StartedWorker, notices: NoticeSocket) -> None:
        try:
            self._status = await started.wait()
        except Exception:  # the engine is the provider's code
            logger.exception("the end of %s/%d cannot be told", self._launch.order.service, self.slot)
        finally:
            started.kill()  # what it has left behind in its group
            self._left(self._launch.owner)
            notices.close()
            self._channel.close()
            self._output.finish()
            self.ended.set()
            self._changed()

    def send(self, data: bytes) -> None:
        """Send it *data*, a membership; never waits."""
        self._channel.send(data)

    async def stop(self, timeout_s: float) -> None:
        """Ask it to finish its calls and end; kill it once *timeout_s* seconds have passed. Safe to call twice."""
        if self._started is None:
            return
        if not self.is_stopping:
            self.is_stopping = True
            if not self.ended.is_set():
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    self._started.terminate()
        try:
            async with asyncio.timeout(timeout_s):
                await self.ended.wait()
        except TimeoutError:
            await self.kill(f"did not stop within {timeout_s:g} s")

    async def kill(self, verdict: str) -> None:
        """End it at once; *verdict* says why, in words."""
        if self._started is not None and not self.ended.is_set():
            self._verdict = self._verdict or verdict
            self._started.kill()
            await self.ended.wait()

    def kill_now(self) -> None:
        """End it at once, without waiting for its end."""
        if self._started is not None and not self.ended.is_set():
            self._started.kill()

    def describe_end(self) -> str:
        """How it ended, in words."""
        if self._verdict:
            return self._verdict
        return describe_end(self._status, was_ready=self.ready_at is not None)

    def _told(self, fields: Mapping[str, str]) -> None:
        readiness = fields.get("READY")
        if readiness is None:
            return
        self._is_paused = readiness != "1"
        if readiness == "1" and not self.ready.is_set():
            self.ready_at = time.monotonic()
            self.ready.set()
        self._changed()
