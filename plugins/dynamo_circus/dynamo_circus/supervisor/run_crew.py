"""The run as its watchers see it: what they ask for, and what follows from what they tell."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Final

from dynamo_circus.notify import workers_of
from dynamo_circus.supervisor.pulse import Pulse
from dynamo_circus.supervisor.reload import Reloader
from dynamo_circus.supervisor.sockets import SlotSocket
from dynamo_core.errors import DynamoError, ServiceFailedError, StartError
from dynamo_core.logs.run_log import RunLog
from dynamo_core.provider import ServiceEvent
from dynamo_core.transport import Member
from dynamo_core.worker_kit.imported_files import WATCH_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dynamo_circus.gpu.assignment import DeviceAssignment
    from dynamo_circus.plan import RunPlan, ServicePlan
    from dynamo_circus.supervisor.arbiter import Arbiter
    from dynamo_circus.supervisor.channels import WorkerChannels
    from dynamo_circus.supervisor.http_refusals import HttpRefusals
    from dynamo_circus.supervisor.launcher import Launcher
    from dynamo_circus.supervisor.process import Launch, Process
    from dynamo_circus.supervisor.reaper import Reaper
    from dynamo_circus.supervisor.report import RunReport
    from dynamo_circus.supervisor.slots import Slot
    from dynamo_circus.supervisor.sockets import HttpSocket
    from dynamo_circus.supervisor.watcher import Watcher
    from dynamo_core.control import RunDirectory
    from dynamo_core.provider import LogLine
    from dynamo_core.provider.events import ServiceEventKind
    from dynamo_core.supervision.guardian import Guardian
    from dynamo_core.supervision.stop_shares import StopShares


def _usable_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # a mask may leave few of them
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


MOST_BEGINNING: Final = 2 * _usable_cores()
"""Workers that may be importing at once."""

LINES_OF_THE_DEAD: Final = 20
"""Last lines of a worker that are told with its death."""


class RunCrew:
    """One run's means, and what its watchers do with them.

    Args:
        plan: What to run.
        emit: Hears every event.
        tell_members: Hears where a service's workers are, and why there are none, whenever that changes.
        show_lines: Takes lines of workers, for people; must not block.

    Attributes:
        failure: Why the run ended, when it was not asked to.
        ready: Set once every slot of every service has been ready at once.
        stop_requested: Set once the run is to end.
        is_stopping: Whether nothing is to be spawned any more.
        stop_shares: What each service gets of the run's stop time, once the run is being stopped.
        changed: Beats whenever a worker has become ready, has ended or was given up.
        log: What workers write.
        reloader: Restarts services when files change.
    """

    arbiter: Arbiter
    directory: RunDirectory
    http_sockets: dict[str, HttpSocket]
    http_refusals: HttpRefusals
    channels: WorkerChannels
    launcher: Launcher
    devices: DeviceAssignment
    guardian: Guardian
    report: RunReport
    run_tasks: asyncio.TaskGroup

    def __init__(
        self,
        plan: RunPlan,
        *,
        emit: Callable[[ServiceEvent], None],
        tell_members: Callable[[str, Sequence[Member], str], None],
        show_lines: Callable[[Sequence[LogLine]], None],
    ) -> None:
        self.plan = plan
        self.emit = emit
        self.failure: DynamoError | None = None
        self.ready = asyncio.Event()
        self.stop_requested = asyncio.Event()
        self.is_stopping = False
        self.stop_shares: StopShares | None = None
        self.changed = Pulse()
        self.log = RunLog(show_lines)
        self.reloader = Reloader(self)
        self._tell_members = tell_members
        self._ready_at: dict[str, float] = {}
        self._going_down: set[str] = set()

    def fail(self, failure: DynamoError) -> None:
        """End the run because of *failure*; the first one is the run's."""
        if self.failure is None:
            self.failure = failure
            self.stop_requested.set()

    @property
    def tasks(self) -> asyncio.TaskGroup:
        """Where watchers' tasks belong."""
        return self.run_tasks

    @property
    def watchers(self) -> Sequence[Watcher]:
        """The run's watchers, dependencies first."""
        arbiter: Arbiter | None = getattr(self, "arbiter", None)  # a signal may come before it is made
        return () if arbiter is None else arbiter.watchers

    @property
    def reaper(self) -> Reaper:
        """Tells when a child has ended."""
        return self.arbiter.reaper

    @property
    def is_starting(self) -> bool:
        """Whether the run has never been ready yet."""
        return not self.ready.is_set()

    def wake(self) -> None:
        """Have the arbiter look after its watchers soon."""
        self.arbiter.wake()

    def may_spawn(self) -> bool:
        """Whether one more worker may begin: importing is work for a processor, and waiting is not."""
        beginning = sum(
            process.is_beginning for watcher in self.watchers for process in watcher.processes.values()
        )
        return bool(beginning < MOST_BEGINNING)

    def prepare(self, service: ServicePlan, slot: Slot) -> Launch:
        """How the slot's next worker is started."""
        return self.launcher.prepare(service, slot)

    def abandon(self, launch: Launch) -> None:
        """Close what was opened for a worker that could not be spawned."""
        if launch.channel is not None:
            self.channels.close(launch.channel)

    def take_devices(self, service: ServicePlan, slot: int) -> None:
        """Have a slot hold the devices that its service asks for, if it does not yet.

        Raises:
            TooFewDevicesError: There are not enough.
        """
        self.devices.devices(service, slot)

    def give_back_devices(self, service: ServicePlan, slot: int) -> None:
        """Take back what a slot holds whose last worker has ended."""
        self.devices.give_back(service.name, slot)

    def open_slot(self, service: ServicePlan, slot: int) -> SlotSocket:
        """Bind the socket of a slot that is added to a running service."""
        number = self.plan.services.index(service)
        path = self.directory.socket_path(number, slot)
        found = SlotSocket(f"{service.name}/{slot}", service=service.name, slot=slot, path=path)
        found.bind_and_listen()
        self.arbiter.sockets[found.name] = found
        return found

    def close_slot(self, found: SlotSocket) -> None:
        """Close the supervisor's copy of the socket of a slot that is taken away."""
        self.arbiter.sockets.pop(found.name, None)
        found.close()

    def write_lines(self, lines: Sequence[LogLine]) -> None:
        """Pass on lines that a worker wrote."""
        self.log.write(lines)

    def dependencies_ready_at(self, service: ServicePlan) -> float | None:
        """When the last of the services it depends on became ready; None while one is not."""
        times = [self._ready_at.get(name) for name in service.dependencies.values()]
        known = [when for when in times if when is not None]
        return max(known, default=0.0) if len(known) == len(times) else None

    def spawned(self, watcher: Watcher, slot: Slot, process: Process) -> None:
        """A worker runs."""
        self.guardian.register(process.pid)
        if slot.limit is not None:
            self.members_changed(watcher)  # callers may wait for it
        self._tell("spawned", process)

    def became_ready(self, watcher: Watcher, slot: Slot, process: Process) -> None:
        """A worker is ready: its service's callers learn of it, and perhaps the whole run is ready now."""
        self.members_changed(watcher)
        self._ready_at.setdefault(watcher.name, time.monotonic())
        seconds = time.monotonic() - process.started_at
        self._tell("ready", process, seconds=seconds)
        self._start_dependents()
        if self.is_starting and all(each.is_ready for each in self.watchers):
            self.ready.set()
            for service, found in self.http_sockets.items():
                self.emit(ServiceEvent(kind="listening", service=service, url=found.url))
        self.note_change()

    def paused(self, watcher: Watcher, slot: Slot, *, is_paused: bool) -> None:
        """A worker has taken back that it is ready, or says it again."""
        self.members_changed(watcher)
        detail = "takes no calls: a readiness hook says no" if is_paused else "takes calls again"
        self.emit(ServiceEvent(kind="message", service=watcher.name, slot=slot.index, detail=detail))
        self.note_change()

    def members_changed(self, watcher: Watcher) -> None:
        """Tell callers of a service where its workers are: at every slot that has once been ready.

        Or that there is nobody to wait for, and why; the service's HTTP port then says so too.
        """
        refusal = watcher.refusal
        members = [
            Member(slot=slot.index, path=str(slot.socket.path), generation=slot.served_generation)
            for slot in watcher.slots
            if slot.takes_calls and not refusal
        ]
        self.channels.push(watcher.name, members, refusal)
        self._tell_members(watcher.name, members, refusal)
        self.http_refusals.update(watcher.name, is_refused=bool(refusal))

    def group_killed(self, pid: int) -> None:
        """A worker's pid is about to become free."""
        self.guardian.unregister(pid)

    def ended(self, watcher: Watcher, slot: Slot, process: Process) -> None:
        """A worker was collected."""
        if process.launch.channel is not None:
            self.channels.close(process.launch.channel)
        if not process.stopping:
            self._tell(
                "died",
                process,
                detail=process.describe_end(),
                last_lines=process.output.last_lines[-LINES_OF_THE_DEAD:],
            )
        self.note_change()

    def sweep(self) -> None:
        """Kill what dead workers of this run have left behind outside their groups."""
        living = {pid: process for watcher in self.watchers for pid, process in watcher.processes.items()}
        owners = {process.launch.owner for process in living.values()}
        ours = f"{self.directory.run_id}/"

        def is_wanted(owner: str | None, session: int | None) -> bool:
            return session in living or owner is None or not owner.startswith(ours) or owner in owners

        self.reaper.kill_strangers(is_wanted)

    def start_failed(self, watcher: Watcher, slot: Slot, cause: str) -> None:
        """A worker failed before it was ready: the run is not started."""
        self.emit(ServiceEvent(kind="failed", service=watcher.name, slot=slot.index, detail=cause))
        self.fail(StartError(watcher.name, cause, slot=slot.index, last_lines=slot.last_lines))

    def limit_reached(self, watcher: Watcher, slot: Slot, cause: str) -> None:
        """A slot's failures have reached a limit: what its service's policy says happens."""
        kind: ServiceEventKind = "failed" if slot.is_given_up else "degraded"
        self.emit(ServiceEvent(kind=kind, service=watcher.name, slot=slot.index, detail=cause))
        if slot.is_given_up:
            self.devices.give_back(watcher.name, slot.index)
        policy = watcher.service.config.supervision.on_failure
        if policy == "stop-graph":
            self.fail(ServiceFailedError(watcher.name, cause, slot=slot.index, last_lines=slot.last_lines))
        elif policy == "stop-dependents":
            self._stop_dependents(watcher, cause)
        self.members_changed(watcher)
        self.note_change()

    def _stop_dependents(self, watcher: Watcher, cause: str) -> None:
        reason = f"it was stopped because {watcher.name} has failed: {watcher.name} {cause}"
        for name in self.all_dependents_of(watcher.name) - self._going_down:
            dependent = self.arbiter.get_watcher(name)
            if dependent.is_active():
                self._going_down.add(name)
                self.tasks.create_task(self._stop_dependent(dependent, reason), name=f"stop {name}")

    async def _stop_dependent(self, watcher: Watcher, reason: str) -> None:
        await self.stop_service(watcher, reason)
        self._going_down.discard(watcher.name)
        self._start_dependents()  # it may be over by now

    async def stop_service(self, watcher: Watcher, reason: str) -> None:
        """Stop one service once nothing depends on it any more; its callers learn at once that it takes no calls.

        Args:
            watcher: Its watcher.
            reason: For its callers, as a sentence about it.
        """
        for dependent in self.plan.dependents_of(watcher.name):
            await self.arbiter.get_watcher(dependent).stopped.wait()
        watcher.stop_reason = reason
        self.members_changed(watcher)
        began = time.monotonic()
        if not self.is_stopping:  # the others go on
            self.emit(ServiceEvent(kind="message", service=watcher.name, detail=reason))
        elif watcher.processes:
            self.emit(ServiceEvent(kind="stopping", service=watcher.name))
        shares, grace_s = self.stop_shares, watcher.graceful_timeout
        if shares is not None:
            grace_s = shares.grace_s(watcher.name, time.monotonic())
        await watcher.stop_within(grace_s)
        self.emit(ServiceEvent(kind="stopped", service=watcher.name, seconds=time.monotonic() - began))
        self.note_change()

    def _start_dependents(self) -> None:
        """Start again what was stopped because of a failure that is over, dependencies first."""
        if self.is_stopping:
            return
        down = {
            name
            for watcher in self.watchers
            if watcher.is_failed and watcher.service.config.supervision.on_failure == "stop-dependents"
            for name in self.all_dependents_of(watcher.name)
        }
        for watcher in self.watchers:
            if watcher.is_stopped() and watcher.stop_reason and watcher.name not in down:
                watcher.begin()
                self.members_changed(watcher)

    def recovered(self, watcher: Watcher, slot: Slot) -> None:
        """A degraded slot is whole again."""
        self.emit(ServiceEvent(kind="ready", service=watcher.name, slot=slot.index, detail="recovered"))
        self.note_change()

    def restarting(self, watcher: Watcher, slot: Slot, delay_s: float, cause: str) -> None:
        """A slot will get its next worker."""
        self.emit(
            ServiceEvent(
                kind="restarting", service=watcher.name, slot=slot.index, seconds=delay_s, detail=cause
            )
        )

    def say(self, service: str, what: str, reason: str | None) -> None:
        """Let everybody know of something that was asked of the run."""
        detail = f"{what} ({reason})" if reason else what
        self.emit(ServiceEvent(kind="message", service=service, detail=detail))

    def note_change(self) -> None:
        self.report.changed()
        self.changed.beat()

    def all_dependents_of(self, name: str) -> set[str]:
        """Names of the services that depend on *name*, however indirectly."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            for dependent in self.plan.dependents_of(waiting.pop()):
                if dependent not in found:
                    found.add(dependent)
                    waiting.append(dependent)
        return found

    def _tell(
        self,
        kind: ServiceEventKind,
        process: Process,
        *,
        seconds: float | None = None,
        detail: str = "",
        last_lines: tuple[str, ...] = (),
    ) -> None:
        event = ServiceEvent(
            kind=kind,
            service=process.name,
            slot=process.place.index,
            pid=process.pid,
            seconds=seconds,
            detail=detail,
            last_lines=last_lines,
        )
        self.emit(event)

    def notified(self, sender: int, fields: Mapping[str, str]) -> None:
        for pid in workers_of(sender):
            for watcher in self.watchers:
                process = watcher.processes.get(pid)
                if process is None:
                    continue
                told = dict(fields)
                if WATCH_KEY in told:
                    self.reloader.imported(process, told.pop(WATCH_KEY).split("\n"))
                if told:
                    watcher.notified(process, told)
                return
