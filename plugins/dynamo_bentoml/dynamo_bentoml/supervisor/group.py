"""The workers of one service: started, looked after, replaced when they die, and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final

from dynamo_bentoml.supervisor.failures import FailureAccount
from dynamo_bentoml.supervisor.process import WorkerProcess
from dynamo_bentoml.supervisor.slot import Slot
from dynamo_core.provider import ServiceStatus
from dynamo_core.transport import encode_stop_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dynamo_bentoml.plan import ServicePlan
    from dynamo_bentoml.supervisor.group_run import GroupRun
    from dynamo_core.logs.lines import LineBatch

logger = logging.getLogger(__name__)

END_TIMEOUT_S: Final = 5.0
"""For a process that was killed to be gone."""

ABORT_GRACE_S: Final = 1.0
"""For a worker that hangs to write where."""

START_CHECK_S: Final = 1.0


class ServiceGroup:
    """Keeps the slots of one service filled.

    Args:
        plan: The service.
        run: The run it belongs to.

    Attributes:
        plan: The service.
        slots: In order.
        is_stopping: Whether it was asked to stop.
        stopped: Set once all its workers have ended on request.
        ready_at: When all its workers were ready for the first time.
        changing: Held while the number of slots, or their workers, are being changed on request.
    """

    def __init__(self, plan: ServicePlan, run: GroupRun) -> None:
        self.plan = plan
        self.slots: list[Slot] = []
        self.is_stopping = False
        self.stopped = asyncio.Event()
        self.ready_at: float | None = None
        self.changing = asyncio.Lock()
        self._run = run
        self._supervision = plan.config.supervision
        self._is_hurried = False
        self._leaving: set[WorkerProcess] = set()

    @property
    def name(self) -> str:
        """Name of the service."""
        return self.plan.name

    @property
    def is_ready(self) -> bool:
        """Whether all its workers take calls."""
        return bool(self.slots) and all(slot.is_ready for slot in self.slots)

    @property
    def processes(self) -> list[WorkerProcess]:
        """What runs now."""
        return [process for slot in self.slots for process in slot.processes]

    @property
    def state(self) -> str:
        """One word for its state, as ``ServiceStatus`` has them."""
        if self.is_stopping:
            return "stopped" if self.stopped.is_set() else "stopping"
        if any(slot.is_given_up for slot in self.slots):
            return "failed"
        if any(slot.limit for slot in self.slots):
            return "degraded"
        is_up = self.ready_at is not None and (not self.slots or any(slot.is_ready for slot in self.slots))
        return "ready" if is_up else "starting"

    def status(self, http_url: str | None) -> ServiceStatus:
        """How it is doing."""
        return ServiceStatus(
            name=self.name,
            state=self.state,
            workers=tuple(slot.status for slot in self.slots),
            http_url=http_url,
        )

    # --- starting ------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Bind the sockets of all its slots.

        Raises:
            RunDirectoryError: One cannot be made.
        """
        for index in range(self.plan.config.workers):
            self.add_slot(index)

    def start(self) -> None:
        """Start a worker in every slot."""
        for slot in self.slots:
            self.spawn(slot)

    def close(self) -> None:
        """Close the sockets of all slots; no worker runs any more."""
        for slot in self.slots:
            slot.cancel_timer()
            slot.listener.close()

    def add_slot(self, index: int) -> Slot:
        """Make one more slot, which has no worker yet."""
        account = FailureAccount(self._supervision)
        slot = Slot(index=index, listener=self._run.open_slot(self.plan, index), account=account)
        self.slots.append(slot)
        return slot

    def spawn(self, slot: Slot) -> None:
        """Start the worker of a slot that has none."""
        slot.timer = None
        slot.worker = self.start_process(slot)
        if slot.worker is None:
            self._after_failure(slot, ready_at=None)

    def start_process(self, slot: Slot) -> WorkerProcess | None:
        """Start a slot's next process; None when the system refuses, and the slot then says why."""
        slot.generation += 1
        try:
            launch = self._run.prepare(self.plan, slot)
            process = WorkerProcess(launch, slot.index, slot.generation, self)
            process.start()
        except OSError as error:
            slot.last_cause = f"cannot be started: {error}"
            return None
        self._run.spawned(self, process)
        slot.cancel_timer()
        self._watch_start(slot, process)
        self._run.changed()
        return process

    def _watch_start(self, slot: Slot, process: WorkerProcess) -> None:
        """Kill a worker that is not ready in time; its time begins once what it depends on is ready."""
        slot.timer = None
        if process.ready_at is not None or process.is_stopping or process.has_ended.is_set():
            return
        limit_s = self._supervision.startup_timeout_s
        began = self._run.dependencies_ready_at(self.plan)
        left_s = START_CHECK_S
        if began is not None:
            left_s = min(left_s, max(began, process.started_at) + limit_s - time.monotonic())
        if left_s <= 0:
            process.kill(f"was not ready within {limit_s:g} s")
        else:
            slot.timer = asyncio.get_running_loop().call_later(left_s, self._watch_start, slot, process)

    # --- what workers do (ProcessWatcher) ------------------------------------------------------------------

    def wrote(self, lines: LineBatch) -> None:
        """A worker has written lines."""
        self._run.wrote(lines)

    def told(self, process: WorkerProcess, fields: Mapping[str, str]) -> None:
        """A worker tells how it is."""
        process.beat_at = time.monotonic()
        if fields.get("STOPPING") == "1":
            process.says_stopping.set()
        ready = fields.get("READY")
        if process.is_stopping or ready not in {"0", "1"}:
            return
        if process.ready_at is not None:
            self._pause(process, is_paused=ready == "0")
        elif ready == "1":
            process.ready_at = process.beat_at
            process.became_ready.set()
            self._watch_beat(process)
            slot = self.slot_of(process)
            if slot is not None and slot.worker is process:
                self.serves(slot, process)

    def _pause(self, process: WorkerProcess, *, is_paused: bool) -> None:
        if process.is_paused != is_paused:
            process.is_paused = is_paused
            self._run.members_changed(self)
            self._run.paused(self, process)

    def _watch_beat(self, process: WorkerProcess) -> None:
        """End a worker that has made no progress for the service's watchdog time."""
        limit_s = self._supervision.watchdog_s
        if limit_s is None or process.is_stopping or process.has_ended.is_set():
            return
        loop = asyncio.get_running_loop()
        left_s = process.beat_at + limit_s - time.monotonic()
        if left_s > 0:
            loop.call_later(left_s, self._watch_beat, process)
            return
        verdict = f"did not answer for {limit_s:g} s (watchdog_s)"
        logger.warning("worker %s/%d %s", self.name, process.slot, verdict)
        process.abort(verdict)
        loop.call_later(ABORT_GRACE_S, process.kill)

    def serves(self, slot: Slot, process: WorkerProcess) -> None:
        """A slot's worker takes calls from now on."""
        slot.has_been_ready = True
        slot.cancel_timer()
        if slot.limit:
            slot.timer = asyncio.get_running_loop().call_later(
                self._supervision.stable_time_s, self._recover, slot, process
            )
        if self.ready_at is None and self.is_ready:
            self.ready_at = time.monotonic()
        self._run.members_changed(self)
        self._run.became_ready(self, process)

    def _recover(self, slot: Slot, process: WorkerProcess) -> None:
        slot.timer = None
        if slot.worker is process and process.is_ready:
            slot.limit = ""
            slot.account.forget()
            self._run.recovered(self, slot)

    def group_killed(self, process: WorkerProcess) -> None:
        """A worker has ended; its number is about to become free."""
        self._run.group_killed(process)

    def ended(self, process: WorkerProcess) -> None:
        """A worker has ended and been reaped."""
        self._run.ended(self, process)
        self._leaving.discard(process)
        slot = self.slot_of(process)
        if slot is None:
            return  # its slot was taken away, or another worker has taken its place
        slot.last_lines = process.last_lines
        if slot.incoming is process:
            slot.incoming = None
            self.retry(slot)
            return
        slot.worker = None
        slot.cancel_timer()
        if process.is_stopping:
            self._run.changed()
            return
        slot.last_cause = process.describe_end()
        self._after_failure(slot, ready_at=process.ready_at)

    def _after_failure(self, slot: Slot, *, ready_at: float | None) -> None:
        self._run.changed()
        if self._run.is_stopping or self.is_stopping:
            return
        if self._run.is_starting and not slot.has_been_ready:
            self._run.start_failed(self, slot)
            return
        verdict = slot.account.record_death(time.monotonic(), ready_at=ready_at)
        if verdict.limit is not None:
            self._past_limit(slot, verdict.limit)
        if not slot.is_given_up:
            self._run.restarting(self, slot, verdict.delay_s)
            slot.timer = asyncio.get_running_loop().call_later(verdict.delay_s, self._respawn, slot)

    def _past_limit(self, slot: Slot, limit: str) -> None:
        is_new, slot.limit = not slot.limit, limit
        slot.is_given_up = self._supervision.on_failure != "restart"
        if slot.is_given_up:
            self._run.members_changed(self)
        if is_new:
            self._run.limit_reached(self, slot)

    def _respawn(self, slot: Slot) -> None:
        slot.timer = None
        if not self.is_stopping and not self._run.is_stopping and slot.incoming is None:
            self.spawn(slot)

    def retry(self, slot: Slot) -> None:
        """A slot has lost its worker while another one was to take its place and did not."""
        if slot.worker is None and slot.timer is None:
            self._after_failure(slot, ready_at=None)

    def slot_of(self, process: WorkerProcess) -> Slot | None:
        """The slot that a process is in; None when it has left it."""
        return next((slot for slot in self.slots if process in slot.processes), None)

    def slots_changed(self) -> None:
        """The slots are other ones than before."""
        self._run.members_changed(self)
        self._run.changed()

    # --- stopping ------------------------------------------------------------------------------------------

    async def stop(self, grace_s: float | None = None) -> None:
        """Stop all workers within *grace_s* seconds, and return once they have ended. Safe to call twice.

        Args:
            grace_s: At most the service's stop time; None for all of it.
        """
        self.is_stopping = True
        for slot in self.slots:
            slot.cancel_timer()
        await self.end({*self.processes, *self._leaving}, grace_s)
        self.stopped.set()
        self._run.changed()

    def hurry(self) -> None:
        """Have workers that are being stopped, or will be, killed instead of waited for."""
        self._is_hurried = True
        for process in {*self.processes, *self._leaving}:
            if process.is_stopping:
                process.stop(0.0)

    def kill(self) -> None:
        """Kill every worker at once."""
        self.is_stopping = True
        for process in {*self.processes, *self._leaving}:
            process.is_stopping = True
            process.kill()

    async def end(self, processes: Iterable[WorkerProcess], grace_s: float | None = None) -> None:
        """Ask workers to stop, and wait until all have ended; those that take too long are killed.

        They are killed also when nobody waits any more.
        """
        own_s = self._supervision.stop_timeout_s
        wanted_s = 0.0 if self._is_hurried else own_s if grace_s is None else min(grace_s, own_s)
        waiting = [process for process in processes if not process.has_ended.is_set()]
        self._leaving.update(waiting)
        for process in waiting:
            if wanted_s < own_s:
                process.send(encode_stop_time(wanted_s))
            process.stop(wanted_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wanted_s + END_TIMEOUT_S):
                for process in waiting:
                    await process.has_ended.wait()
