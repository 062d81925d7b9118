"""The workers of one service: started, replaced when they die, changed and stopped on request."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final, Protocol

from dynamo_bentoml.supervisor.failures import FailureAccount
from dynamo_bentoml.supervisor.process import WorkerProcess
from dynamo_bentoml.supervisor.slot import Slot
from dynamo_core.errors import ServiceFailedError
from dynamo_core.provider import ServiceStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dynamo_bentoml.plan import ServicePlan
    from dynamo_bentoml.supervisor.listeners import SlotListener
    from dynamo_bentoml.supervisor.process import Launch

logger = logging.getLogger(__name__)

KILL_MARGIN_S: Final = 3.0
"""Beyond its stop time, for a worker's stop hooks."""

HAND_OVER_S: Final = 2.0
"""For a worker that is replaced to take no more connections."""

END_TIMEOUT_S: Final = 5.0
"""For a process that was killed to be gone."""


class GroupRun(Protocol):
    """The run, as the workers of one service see it; every method returns at once."""

    @property
    def is_starting(self) -> bool:
        """Whether it has never been ready yet."""

    @property
    def is_stopping(self) -> bool:
        """Whether nothing is to be started any more."""

    def open_slot(self, service: ServicePlan, slot: int) -> SlotListener:
        """Bind the socket of a slot."""

    def prepare(self, service: ServicePlan, slot: Slot) -> Launch:
        """How the slot's next worker is started."""

    def line(self, group: ServiceGroup, process: WorkerProcess, stream: str, text: str) -> None:
        """A worker has written a line."""

    def spawned(self, group: ServiceGroup, process: WorkerProcess) -> None:
        """A worker runs."""

    def became_ready(self, group: ServiceGroup, process: WorkerProcess) -> None:
        """A worker takes calls."""

    def group_killed(self, process: WorkerProcess) -> None:
        """A worker has ended; its number is about to become free."""

    def ended(self, group: ServiceGroup, process: WorkerProcess) -> None:
        """A worker has ended; called before what follows from it."""

    def start_failed(self, group: ServiceGroup, slot: Slot) -> None:
        """A worker failed before it was ready, while the run was starting."""

    def limit_reached(self, group: ServiceGroup, slot: Slot) -> None:
        """A slot's failures have reached a limit."""

    def recovered(self, group: ServiceGroup, slot: Slot) -> None:
        """A slot that was past a limit has been ready for its stable time."""

    def restarting(self, group: ServiceGroup, slot: Slot, delay_s: float) -> None:
        """A slot gets its next worker after *delay_s* seconds."""

    def members_changed(self, group: ServiceGroup) -> None:
        """Callers have to learn where the service's workers are."""

    def changed(self) -> None:
        """Something that is reported has changed."""

    def dependencies_ready_at(self, service: ServicePlan) -> float | None:
        """When the last of the services it depends on became ready; None while one is not."""


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
    """

    def __init__(self, plan: ServicePlan, run: GroupRun) -> None:
        self.plan = plan
        self.slots: list[Slot] = []
        self.is_stopping = False
        self.stopped = asyncio.Event()
        self.ready_at: float | None = None
        self._run = run
        self._grace_s = plan.config.supervision.stop_timeout_s + KILL_MARGIN_S
        self._hurried = asyncio.Event()
        self._changing = asyncio.Lock()

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
            self._add_slot(index)

    def start(self) -> None:
        """Start a worker in every slot."""
        for slot in self.slots:
            self._spawn(slot)

    def close(self) -> None:
        """Close the sockets of all slots; no worker runs any more."""
        for slot in self.slots:
            slot.cancel_timer()
            slot.listener.close()

    def _add_slot(self, index: int) -> Slot:
        account = FailureAccount(self.plan.config.supervision)
        slot = Slot(index=index, listener=self._run.open_slot(self.plan, index), account=account)
        self.slots.append(slot)
        return slot

    def _spawn(self, slot: Slot) -> None:
        slot.timer = None
        process = self._start_process(slot)
        slot.worker = process
        if process is None:
            self._after_failure(slot, ready_at=None)

    def _start_process(self, slot: Slot) -> WorkerProcess | None:
        """Start the slot's next worker; None when the system refuses."""
        slot.generation += 1
        launch = self._run.prepare(self.plan, slot)
        process = WorkerProcess(launch, slot.index, slot.generation, self)
        try:
            process.start()
        except OSError as error:
            slot.last_cause = f"cannot be started: {error}"
            return None
        self._run.spawned(self, process)
        self._watch_start(slot, process)
        self._run.changed()
        return process

    def _watch_start(self, slot: Slot, process: WorkerProcess) -> None:
        """Kill a worker that is not ready in time; that begins once what it depends on is ready."""
        limit_s = self.plan.config.supervision.startup_timeout_s
        loop = asyncio.get_running_loop()

        def look() -> None:
            slot.timer = None
            if process.ready_at is not None or process.is_stopping or process.has_ended.is_set():
                return
            began = self._run.dependencies_ready_at(self.plan)
            left_s = limit_s
            if began is not None:
                left_s = max(began, process.started_at) + limit_s - time.monotonic()
            if left_s <= 0:
                process.kill(f"was not ready within {limit_s:g} s")
            else:
                slot.timer = loop.call_later(min(left_s, 1.0) if began is None else left_s, look)

        slot.cancel_timer()
        slot.timer = loop.call_later(min(limit_s, 1.0), look)

    # --- what workers do (ProcessWatcher) ------------------------------------------------------------------

    def line(self, process: WorkerProcess, stream: str, text: str) -> None:
        """A worker has written a line."""
        self._run.line(self, process, stream, text)

    def told(self, process: WorkerProcess, fields: Mapping[str, str]) -> None:
        """A worker tells how it is."""
        if fields.get("STOPPING") == "1":
            process.says_stopping.set()
        if fields.get("READY") == "1" and process.ready_at is None and not process.is_stopping:
            process.ready_at = time.monotonic()
            slot = self._slot_of(process)
            if slot is not None and slot.worker is process:
                self._serves(slot, process)
            process.became_ready.set()

    def _serves(self, slot: Slot, process: WorkerProcess) -> None:
        slot.has_been_ready = True
        slot.cancel_timer()
        if slot.limit:
            stable_time_s = self.plan.config.supervision.stable_time_s
            slot.timer = asyncio.get_running_loop().call_later(stable_time_s, self._recover, slot, process)
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
        slot = self._slot_of(process)
        if slot is None:
            return  # its slot was taken away, or another worker has taken its place
        slot.last_lines = process.last_lines
        if slot.incoming is process:
            slot.incoming = None
            return  # whoever restarts the slot sees it
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
            is_new = not slot.limit
            slot.limit = verdict.limit
            slot.is_given_up = self.plan.config.supervision.on_failure != "restart"
            if slot.is_given_up:
                self._run.members_changed(self)
            if is_new:
                self._run.limit_reached(self, slot)
        if not slot.is_given_up and not self.is_stopping:
            self._run.restarting(self, slot, verdict.delay_s)
            slot.timer = asyncio.get_running_loop().call_later(verdict.delay_s, self._respawn, slot)

    def _respawn(self, slot: Slot) -> None:
        slot.timer = None
        if not self.is_stopping and not self._run.is_stopping and slot.incoming is None:
            self._spawn(slot)

    def _slot_of(self, process: WorkerProcess) -> Slot | None:
        return next((slot for slot in self.slots if process in slot.processes), None)

    # --- changes on request --------------------------------------------------------------------------------

    async def scale(self, workers: int) -> None:
        """Bring the service to that many workers, and return once they are ready or gone.

        Raises:
            ServiceFailedError: A new one did not become ready; the service has as many as before.
        """
        async with self._changing:
            self._refuse_stopped()
            added = [self._add_slot(index) for index in range(len(self.slots), workers)]
            for slot in added:
                self._spawn(slot)
            try:
                for slot in added:
                    await self._wait_first_ready(slot)
            except BaseException:
                await self._drop(added)
                raise
            await self._drop(self.slots[workers:])

    async def restart(self) -> None:
        """Replace every worker, one slot after the other; each new one is ready before the old one goes.

        Raises:
            ServiceFailedError: A new one did not become ready; its predecessor stays.
        """
        async with self._changing:
            self._refuse_stopped()
            for slot in list(self.slots):
                await self._replace(slot)

    async def _replace(self, slot: Slot) -> None:
        slot.cancel_timer()
        slot.incoming = incoming = self._start_process(slot)
        if incoming is None or not await self._is_ready_in_time(slot, incoming):
            if slot.worker is None:  # it died meanwhile: the slot goes on as after any death
                self._after_failure(slot, ready_at=None)
            raise self._failed(slot, incoming)
        old, slot.worker, slot.incoming = slot.worker, incoming, None
        slot.limit, slot.is_given_up = "", False
        slot.account.forget()
        if old is not None:
            # Both hold the slot's socket: callers are led to the new one once the old one takes nobody any more.
            old.stop()
            await _first_of(old.says_stopping, old.has_ended, timeout_s=HAND_OVER_S)
        self._serves(slot, incoming)
        if old is not None:
            await self._end([old])

    async def _is_ready_in_time(self, slot: Slot, process: WorkerProcess) -> bool:
        await _first_of(process.became_ready, process.has_ended)
        return process.is_ready

    async def _wait_first_ready(self, slot: Slot) -> None:
        process = slot.worker
        if process is None or not await self._is_ready_in_time(slot, process):
            raise self._failed(slot, process)

    def _failed(self, slot: Slot, process: WorkerProcess | None) -> ServiceFailedError:
        cause = slot.last_cause if process is None else process.describe_end()
        lines = () if process is None else process.last_lines
        return ServiceFailedError(self.name, f"the new worker {cause}", slot=slot.index, last_lines=lines)

    def _refuse_stopped(self) -> None:
        if self.is_stopping:
            raise ServiceFailedError(self.name, "it is being stopped")

    async def _drop(self, slots: Iterable[Slot]) -> None:
        """Take slots away: callers forget them first, then their workers finish what they have."""
        leaving = list(slots)
        for slot in leaving:
            slot.cancel_timer()
            self.slots.remove(slot)
        self._run.members_changed(self)
        self._run.changed()
        await self._end([process for slot in leaving for process in slot.processes])
        for slot in leaving:
            slot.listener.close()
        self._run.changed()

    # --- stopping ------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Stop all workers, and return once they have ended. Safe to call twice."""
        self.is_stopping = True
        for slot in self.slots:
            slot.cancel_timer()
        await self._end(self.processes)
        self.stopped.set()
        self._run.changed()

    def hurry(self) -> None:
        """Have workers that are being stopped, or will be, killed instead of waited for."""
        self._hurried.set()

    def kill(self) -> None:
        """Kill every worker at once."""
        self.is_stopping = True
        for process in self.processes:
            process.is_stopping = True
            process.kill()

    async def _end(self, processes: Iterable[WorkerProcess]) -> None:
        """Ask workers to stop, kill those that take too long, and wait until all have ended."""
        waiting = list(processes)
        for process in waiting:
            process.stop()
        ended = asyncio.gather(*(process.has_ended.wait() for process in waiting))
        hurrying = asyncio.ensure_future(self._hurried.wait())
        try:
            await asyncio.wait(
                [ended, hurrying], timeout=self._grace_s, return_when=asyncio.FIRST_COMPLETED
            )
            late = [process for process in waiting if not process.has_ended.is_set()]
            for process in late:
                logger.warning("worker %s did not stop in time and is killed", process.launch.owner)
                process.kill()
            if late:
                await asyncio.wait([ended], timeout=END_TIMEOUT_S)
        finally:
            hurrying.cancel()
            ended.cancel()


async def _first_of(*events: asyncio.Event, timeout_s: float | None = None) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
