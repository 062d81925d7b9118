"""The workers of one service.

Circus's watcher counts processes; this one fills slots.
What Circus does behind its global command lock (spawn, respawn, stop) is done here without it, and never waits:
a service that stops slowly keeps no other from being looked after.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import signal
import time
from typing import TYPE_CHECKING, Final

from circus.watcher import Watcher as _Watcher

from dynamo_circus.supervisor.failures import FailureAccount, RestartLimits
from dynamo_circus.supervisor.process import Process
from dynamo_circus.supervisor.slots import Slot
from dynamo_core.errors import DynamoError
from dynamo_core.supervision.output import WorkerOutput

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynamo_circus.plan import ServicePlan
    from dynamo_circus.supervisor.crew import Crew
    from dynamo_circus.supervisor.sockets import SlotSocket

logger = logging.getLogger(__name__)

TIMER_SLACK_S: Final = 0.005
STOPPED: Final = "it was stopped"
ABORT_GRACE_S: Final = 0.3
"""For a worker that is told to abort to write where it was."""


class Watcher(_Watcher):  # type: ignore[misc]  # circus has no types
    """Keeps the slots of one service filled.

    Args:
        service: What to run.
        sockets: One per slot, in order.
        crew: The run it belongs to.
        loop: Tornado's view of the supervisor's loop, for Circus.

    Attributes:
        slots: By number.
        stopped: Set once all its workers have ended on request.
        stop_reason: Why they were or are being stopped; empty while it is looked after.
        changes: Held while the number of slots or their workers are being changed on request.
        leaving: What sees off the workers of slots that were taken away.
    """

    def __init__(self, service: ServicePlan, sockets: list[SlotSocket], crew: Crew, loop: object) -> None:
        supervision = service.config.supervision
        super().__init__(
            service.name,
            service.argv[0],
            numprocesses=len(sockets),
            graceful_timeout=supervision.stop_timeout_s,
            max_retry=1,
            loop=loop,
            copy_env=False,
        )
        self.service = service
        self.crew = crew
        self.stopped = asyncio.Event()
        self.stop_reason = ""
        self._limits = RestartLimits(
            stable_time_s=supervision.stable_time_s,
            max_failures=supervision.max_failures,
            max_restarts=supervision.max_restarts,
            restart_window_s=supervision.restart_window_s,
        )
        self.slots = [self.make_slot(found) for found in sockets]
        self.changes = asyncio.Lock()
        self.leaving: set[asyncio.Future[None]] = set()
        self._graces: dict[Process, asyncio.TimerHandle] = {}
        self._hurry_to_s: float | None = None

    def make_slot(self, found: SlotSocket) -> Slot:
        """An empty slot for a socket."""
        return Slot(index=found.slot, socket=found, account=FailureAccount(self._limits))

    # --- what the run asks ---------------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether every slot has a ready worker."""
        return self.is_active() and all(slot.is_ready for slot in self.slots)

    @property
    def is_failed(self) -> bool:
        """Whether a slot of it is given up."""
        return any(slot.is_given_up for slot in self.slots)

    @property
    def refusal(self) -> str:
        """Why nobody is going to serve it, or not for a while; empty while callers may wait for a worker."""
        if self.stop_reason:
            return self.stop_reason
        if not self.slots:
            return "it is scaled to 0 workers"
        refusals = [slot.refusal for slot in self.slots]
        return "; ".join(refusals) if all(refusals) else ""

    @property
    def has_ready_slot(self) -> bool:
        """Whether at least one slot has a ready worker."""
        return any(slot.is_ready for slot in self.slots)

    # --- spawning ------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        """Circus's name for :meth:`begin`."""
        self.begin()

    def begin(self) -> None:
        """Begin to look after the slots, also after they were stopped; their workers are spawned at once.

        Nothing happens while the run is being stopped.
        """
        if self.is_active() or self.crew.is_stopping:
            return
        self._status = "active"
        self.stop_reason = ""
        self.stopped.clear()
        for slot in self.slots:
            slot.has_been_ready = False
        self.notify_event("start", {"time": time.time()})
        self.manage()

    async def manage_processes(self) -> None:
        """Circus's name for :meth:`manage`."""
        self.manage()

    def manage(self) -> None:
        """Fill what is empty, kill what took too long to start; never waits."""
        if not self.is_active() or self.crew.is_stopping:
            return
        now = time.monotonic()
        for slot in self.slots:
            if slot.process is not None:
                self._check_start_time(slot, slot.process, now)
            elif self._is_due(slot, now):
                self._fill(slot)

    def _is_due(self, slot: Slot, now: float) -> bool:
        """Whether an empty slot is to be filled now; a worker that is added waits until others have begun."""
        if slot.incoming is not None or slot.is_given_up or now < slot.next_spawn_at:
            return False
        return slot.has_been_ready or self.crew.may_spawn()

    def _fill(self, slot: Slot) -> None:
        slot.filled.set()
        try:
            slot.process = self.spawn_into(slot)
        except (
            OSError,
            ValueError,
            DynamoError,
        ) as error:  # ValueError: a NUL byte in an argument or variable
            logger.debug("spawning %s/%d failed", self.name, slot.index, exc_info=True)
            self._account_death(slot, f"cannot be executed: {error}")
            return
        self.crew.spawned(self, slot, slot.process)

    def spawn_into(self, slot: Slot) -> Process:
        """Spawn the slot's next worker, beside the one that may be in it.

        Raises:
            OSError: The program cannot be executed, or what it inherits cannot be opened.
            ValueError: An argument or variable cannot be passed on.
        """
        slot.generation += 1
        launch = self.crew.prepare(self.service, slot)
        output = WorkerOutput(
            asyncio.get_running_loop(), self.crew.write_lines, service=self.name, slot=slot.index
        )
        process = Process(self, launch, slot, output)
        try:
            process.spawn()
        except BaseException:
            self.crew.abandon(launch)
            raise
        self.processes[process.pid] = process
        self.crew.reaper.watch(process.pid, functools.partial(self.reap_process, process.pid))
        self.notify_event("spawn", {"process_pid": process.pid, "time": process.started})
        if self.service.is_custom:
            self._later(self._limits.stable_time_s, lambda: self._count_as_ready(process))
        return process

    def _check_start_time(self, slot: Slot, process: Process, now: float) -> None:
        if process.ready_at is not None or process.stopping:
            return
        waited_for = self.crew.dependencies_ready_at(self.service)
        limit_s = self.service.config.supervision.startup_timeout_s
        if waited_for is not None and now - max(waited_for, process.started_at) >= limit_s:
            status = f" (last status: {process.status_text})" if process.status_text else ""
            process.verdict = f"was not ready within {limit_s:g} s{status}"
            logger.debug("worker %s/%d %s", self.name, slot.index, process.verdict)
            process.kill_group()

    # --- ready ---------------------------------------------------------------------------------------------

    def notified(self, process: Process, fields: dict[str, str]) -> None:
        """Take in one notification of a worker."""
        if process.is_beginning:
            self.crew.wake()  # another one may begin
        process.has_notified = True
        process.status_text = fields.get("STATUS", process.status_text)
        if "WATCHDOG" in fields or "READY" in fields:
            process.beat_at = time.monotonic()
        if fields.get("READY") == "1":
            self._mark_ready(process)
        if fields.get("READY") in {"0", "1"}:
            self._pause(process, is_paused=fields["READY"] == "0")
        if fields.get("STOPPING") == "1" and not process.says_stopping:
            process.says_stopping = True
            if process.place.process is process and not process.stopping:
                self.crew.members_changed(self)  # it ends of its own accord

    def _count_as_ready(self, process: Process) -> None:
        if not process.has_notified and process.is_alive() and not process.stopping:
            self._mark_ready(process)

    def _mark_ready(self, process: Process) -> None:
        if process.is_ready or not process.is_alive() or process.stopping:
            return
        process.is_ready = True
        process.ready_at = time.monotonic()
        process.beat_at = process.ready_at
        self._watch_beat(process)
        process.became_ready.set()
        if process.place.process is process:
            self.take_place(process)

    def _pause(self, process: Process, *, is_paused: bool) -> None:
        if process.is_paused == is_paused or not process.is_ready:
            return
        process.is_paused = is_paused
        if process.place.process is process:
            self.crew.paused(self, process.place, is_paused=is_paused)

    def _watch_beat(self, process: Process) -> None:
        """Kill a worker that has not beaten for the service's watchdog time, and look again when it may be due."""
        limit_s = self.service.config.supervision.watchdog_s
        if limit_s is None or not process.is_alive() or process.stopping:
            return
        left_s = process.beat_at + limit_s - time.monotonic()
        if left_s > 0:
            self._later(left_s, lambda: self._watch_beat(process))
            return
        process.verdict = f"did not answer for {limit_s:g} s (watchdog_s)"
        logger.warning("worker %s/%d %s", self.name, process.place.index, process.verdict)
        process.abort()
        self._later(ABORT_GRACE_S, process.kill_group)

    def take_place(self, process: Process) -> None:
        """A worker that is ready is the one that serves its slot from now on."""
        slot = process.place
        slot.process, slot.incoming = process, None
        slot.has_been_ready = True
        slot.account.record_ready(time.monotonic())
        self._later(self._limits.stable_time_s, lambda: self._settle(slot, process))
        self.crew.became_ready(self, slot, process)

    def _settle(self, slot: Slot, process: Process) -> None:
        if slot.process is process and slot.account.settle(time.monotonic()) and slot.limit is not None:
            slot.limit = None
            self.crew.recovered(self, slot)

    # --- ends ----------------------------------------------------------------------------------------------

    def reap_process(self, pid: int, status: int | None = None) -> None:
        """Collect a worker that has ended, after its group was killed, and decide what follows."""
        process = self.processes.pop(pid, None)
        if process is None:
            return
        process.collect(killed=functools.partial(self.crew.group_killed, pid))
        if (grace := self._graces.pop(process, None)) is not None:
            grace.cancel()
        slot = process.place
        self.notify_event("reap", {"process_pid": pid, "time": time.time(), "exit_code": process.exit_status})
        self.crew.ended(self, slot, process)
        if slot.process is process:
            slot.process = None
            slot.last_end = self._describe_end(process)
            slot.last_lines = process.output.last_lines
            if not process.stopping and slot.incoming is None:  # else what comes next decides
                self._account_death(slot, slot.last_end)
        elif slot.incoming is process:  # it could not take its predecessor's place
            slot.incoming = None
            if slot.process is None and not process.stopping:
                self._account_death(slot, process.describe_end())  # its predecessor has ended as well
            self.crew.wake()
        process.ended.set()

    def _describe_end(self, process: Process) -> str:
        """How a worker ended, in words that can follow its name; why, if it was stopped with its service."""
        end = process.describe_end()
        if process.stopping and self.stop_reason.startswith(STOPPED) and not process.was_late:
            return self.stop_reason.removeprefix("it ")
        return end

    def reap_processes(self) -> None:
        """Nothing to do: the reaper tells each worker's end."""

    def _account_death(self, slot: Slot, cause: str) -> None:
        verdict = slot.account.record_death(time.monotonic())
        slot.last_end = cause
        if self.crew.is_stopping:
            return
        if slot.is_on_trial and not slot.has_been_ready:
            slot.next_spawn_at = math.inf
            return
        if self.crew.is_starting and not slot.has_been_ready:
            slot.is_given_up = True
            self.crew.start_failed(self, slot, cause)
            return
        if verdict.limit is not None:
            slot.limit = verdict.limit
            slot.is_given_up = self.service.config.supervision.on_failure != "restart"
            self.crew.limit_reached(self, slot, f"{cause}; {verdict.limit}")
        if not slot.is_given_up:
            slot.next_spawn_at = time.monotonic() + verdict.delay_s
            self.crew.restarting(self, slot, verdict.delay_s, cause)
            self._later(verdict.delay_s, self.crew.wake)

    def _later(self, delay_s: float, call: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_later(delay_s + TIMER_SLACK_S if delay_s else 0.0, call)

    # --- stopping ------------------------------------------------------------------------------------------

    async def _stop(self, close_output_streams: bool = False) -> None:
        """Circus's name for :meth:`stop_within` its own stop time."""
        await self.stop_within(self.graceful_timeout)

    async def stop_within(self, grace_s: float) -> None:
        """Stop every worker, side by side, and kill those that take longer; safe to call twice."""
        if self.is_stopped():
            self.stopped.set()
            return
        self._status = "stopping"
        workers = list(self.processes.values())
        if grace_s < self.graceful_timeout:
            for process in workers:
                process.tell_stop_time(grace_s)
        await asyncio.gather(*(self.kill_process(process, graceful_timeout=grace_s) for process in workers))
        self._status = "stopped"
        self.notify_event("stop", {"time": time.time()})
        self.stopped.set()

    async def kill_process(
        self, process: Process, stop_signal: int | None = None, graceful_timeout: float | None = None
    ) -> bool:
        """Tell one worker to stop, and wait until it has ended; its group is killed after its grace.

        It is killed also when nobody waits any more; asking again can only shorten the grace.

        Returns:
            Whether it ended by itself within the grace.
        """
        process.stopping = True
        if process.told_at is None:
            process.told_at = time.monotonic()
            process.send_signal(signal.SIGTERM if stop_signal is None else stop_signal)
        grace_s = self.graceful_timeout if graceful_timeout is None else graceful_timeout
        if self._hurry_to_s is not None:
            grace_s = min(grace_s, self._hurry_to_s)
        self._set_grace(process, grace_s)
        await process.ended.wait()
        return not process.was_late

    def hurry(self, grace_s: float) -> None:
        """Shorten the grace of workers that are being stopped, who are told, and of those that will be."""
        self._hurry_to_s = grace_s
        for process in list(self._graces):
            process.tell_stop_time(grace_s)
            self._set_grace(process, grace_s)

    def kill_all(self) -> None:
        """Kill every worker's group now, and say whose."""
        self._hurry_to_s = 0.0
        for process in self.processes.values():
            process.stopping = True
            if not process.was_late:
                logger.warning("worker %s/%d was killed", self.name, process.place.index)
            self._kill_late(process)

    def _set_grace(self, process: Process, grace_s: float) -> None:
        if grace_s <= 0:
            self._kill_late(process)
            return
        loop = asyncio.get_running_loop()
        before = self._graces.get(process)
        if process.is_alive() and (before is None or before.when() > loop.time() + grace_s):
            if before is not None:
                before.cancel()
            self._graces[process] = loop.call_later(grace_s, self._grace_over, process)

    def _grace_over(self, process: Process) -> None:
        assert process.told_at is not None
        waited_s = time.monotonic() - process.told_at  # a hurry may have shortened the grace
        logger.warning(
            "worker %s/%d did not stop within %.1f s and was killed", self.name, process.place.index, waited_s
        )
        self._kill_late(process)

    def _kill_late(self, process: Process) -> None:
        process.was_late = True
        process.kill_group()
