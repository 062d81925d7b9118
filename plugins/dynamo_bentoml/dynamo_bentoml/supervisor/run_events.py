"""What happens to the workers of a run, and what follows: callers, listeners and the guardian are told."""

from __future__ import annotations

import abc
import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from dynamo_core.errors import DynamoError, ServiceFailedError, StartError
from dynamo_core.logs.run_log import RunLog
from dynamo_core.provider import LogLine, Member, ServiceEvent
from dynamo_core.supervision.slot_listener import SlotListener
from dynamo_core.transport import encode_membership

if TYPE_CHECKING:
    from dynamo_bentoml.plan import RunPlan, ServicePlan
    from dynamo_bentoml.supervisor.group import ServiceGroup
    from dynamo_bentoml.supervisor.launcher import Launcher
    from dynamo_bentoml.supervisor.process import Launch, WorkerProcess
    from dynamo_bentoml.supervisor.report import RunReport
    from dynamo_bentoml.supervisor.slot import Slot
    from dynamo_core.control import RunDirectory
    from dynamo_core.logs.lines import LineBatch
    from dynamo_core.provider import RunStatus
    from dynamo_core.provider.events import ServiceEventKind
    from dynamo_core.supervision.guardian import Guardian
    from dynamo_core.supervision.http_listener import HttpListener

logger = logging.getLogger(__name__)

LINES_OF_THE_DEAD: Final = 20
"""How many of a worker's last lines the event of its death has."""

MembersListener = Callable[[str, Sequence[Member]], None]
LinesListener = Callable[[Sequence[LogLine]], None]


class RunEvents(abc.ABC):
    """The run as its groups see it; the supervisor is one.

    Args:
        plan: What is run.
        emit: Hears every event.
        show_lines: Takes what workers write, for people.
        tell_members: Hears where a service's workers are, whenever that changes.

    Attributes:
        plan: What is run.
        groups: Its services, dependencies first.
        log: Where what workers write goes.
        ready: Set once every worker was ready for the first time.
        failure: What ended the run; None while nothing did but a request.
        is_stopping: Whether nothing is to be started any more.
    """

    directory: RunDirectory
    launcher: Launcher
    guardian: Guardian
    report: RunReport

    def __init__(
        self,
        plan: RunPlan,
        *,
        emit: Callable[[ServiceEvent], None],
        show_lines: LinesListener,
        tell_members: MembersListener,
    ) -> None:
        self.plan = plan
        self.groups: list[ServiceGroup] = []
        self.log = RunLog(show_lines)
        self.ready = asyncio.Event()
        self.failure: DynamoError | None = None
        self.is_stopping = False
        self.stop_requested = asyncio.Event()
        self.http_listeners: dict[str, HttpListener] = {}
        self.sweep_due = asyncio.Event()
        self.dead_owners: set[str] = set()
        self.emit = emit
        self._tell_members = tell_members
        self._members: dict[str, tuple[Member, ...]] = {}
        self._change = asyncio.Event()

    # --- how it is -----------------------------------------------------------------------------------------

    @property
    def is_starting(self) -> bool:
        """Whether it has never been ready yet."""
        return not self.ready.is_set()

    @property
    def is_ready(self) -> bool:
        """Whether every service has all its workers ready."""
        return not self.is_stopping and all(group.is_ready or not group.slots for group in self.groups)

    def current_status(self) -> RunStatus:
        """How every service and worker is doing now."""
        services = [
            group.status(listener.url if (listener := self.http_listeners.get(group.name)) else None)
            for group in self.groups
        ]
        states = {service.state for service in services}
        if self.is_stopping:
            state = "stopping"
        elif self.is_starting:
            state = "starting"
        else:
            state = next((each for each in ("failed", "degraded") if each in states), "ready")
        return self.report.status(state, services)

    async def next_change(self) -> None:
        """Wait until something has changed."""
        await self._change.wait()

    def changed(self) -> None:
        """Something that is reported has changed."""
        self.report.changed()
        self._change.set()
        self._change = asyncio.Event()

    def request_stop(self, reason: str) -> None:
        """Stop the run; asking again changes nothing."""
        if not self.stop_requested.is_set():
            logger.info("the run is being stopped: %s", reason)
            self.stop_requested.set()

    def fail(self, failure: DynamoError) -> None:
        """End the run for *failure*; the first one counts."""
        if self.failure is None:
            self.failure = failure
        self.request_stop(str(failure))

    def say(self, service: str, what: str, reason: str | None = None) -> None:
        """Let everybody know of something that was asked of the run."""
        detail = f"{what} ({reason})" if reason else what
        self.emit(ServiceEvent(kind="message", service=service, detail=detail))

    # --- what its groups need ------------------------------------------------------------------------------

    def open_slot(self, service: ServicePlan, slot: int) -> SlotListener:
        """Bind the socket of a slot."""
        return SlotListener(self.directory.socket_path(self.plan.services.index(service), slot))

    def prepare(self, service: ServicePlan, slot: Slot) -> Launch:
        """How the slot's next worker is started.

        Raises:
            OSError: There are no descriptors left.
        """
        names = sorted(set(service.dependencies.values()))
        memberships = b"".join(encode_membership(name, self._members.get(name, ())) for name in names)
        return self.launcher.prepare(service, slot, memberships)

    def dependencies_ready_at(self, service: ServicePlan) -> float | None:
        """When the last of the services it depends on became ready; None while one is not."""
        needed = set(service.dependencies.values())
        times = [group.ready_at for group in self.groups if group.name in needed]
        known = [time_s for time_s in times if time_s is not None]
        return max(known, default=0.0) if len(known) == len(times) else None

    def members_changed(self, group: ServiceGroup) -> None:
        """Tell callers of a service where its workers are.

        A slot between two workers is among them: its socket is open, and who calls it waits for the next one.
        """
        members = tuple(
            Member(slot=slot.index, path=str(slot.listener.path), generation=slot.served_generation)
            for slot in group.slots
            if slot.has_been_ready and not slot.is_given_up and not slot.is_paused
        )
        self._members[group.name] = members
        frame = encode_membership(group.name, members)
        dependents = set(self.plan.dependents_of(group.name))
        for other in self.groups:
            if other.name in dependents:
                for process in other.processes:
                    process.send(frame)
        self._tell_members(group.name, members)

    def wrote(self, lines: LineBatch) -> None:
        """A worker has written lines."""
        self.log.write(lines)

    def spawned(self, group: ServiceGroup, process: WorkerProcess) -> None:
        """A worker runs."""
        self.guardian.register(process.pid)
        self._tell("spawned", group, process)

    def became_ready(self, group: ServiceGroup, process: WorkerProcess) -> None:
        """A worker takes calls; perhaps the whole run is ready now."""
        self._tell("ready", group, process, seconds=time.monotonic() - process.started_at)
        if self.is_starting and not self.is_stopping and all(each.is_ready for each in self.groups):
            self.ready.set()
            for service, listener in self.http_listeners.items():
                self.emit(ServiceEvent(kind="listening", service=service, url=listener.url))
        self.changed()

    def paused(self, group: ServiceGroup, process: WorkerProcess) -> None:
        """A readiness hook of a worker has changed its mind."""
        what = "is not ready: a readiness hook says no" if process.is_paused else "is ready again"
        self._tell("message", group, process, detail=what)
        self.changed()

    def group_killed(self, process: WorkerProcess) -> None:
        """A worker's number is about to become free."""
        self.guardian.unregister(process.pid)

    def ended(self, group: ServiceGroup, process: WorkerProcess) -> None:
        """A worker has ended; what it left behind outside its group follows it."""
        if not process.is_stopping:
            self._tell("died", group, process, detail=process.describe_end())
        self.dead_owners.add(process.launch.owner)
        self.sweep_due.set()
        self.changed()

    def start_failed(self, group: ServiceGroup, slot: Slot) -> None:
        """A worker failed before it was ready: the run is not started."""
        cause = slot.last_cause
        self.emit(ServiceEvent(kind="failed", service=group.name, slot=slot.index, detail=cause))
        self.fail(StartError(group.name, cause, slot=slot.index, last_lines=slot.last_lines))

    def limit_reached(self, group: ServiceGroup, slot: Slot) -> None:
        """A slot's failures have reached a limit: what its service's policy says happens."""
        kind: ServiceEventKind = "failed" if slot.is_given_up else "degraded"
        detail = f"{slot.limit}: {slot.last_cause}"
        self.emit(ServiceEvent(kind=kind, service=group.name, slot=slot.index, detail=detail))
        policy = group.plan.config.supervision.on_failure
        if policy == "stop-graph":
            lines = slot.last_lines
            self.fail(ServiceFailedError(group.name, detail, slot=slot.index, last_lines=lines))
        elif policy == "stop-dependents":
            names = self.plan.all_dependents_of(group.name)
            self.stop_later([each for each in self.groups if each.name in names])

    @abc.abstractmethod
    def stop_later(self, groups: Sequence[ServiceGroup]) -> None:
        """Stop services beside the run."""

    def recovered(self, group: ServiceGroup, slot: Slot) -> None:
        """A degraded slot is whole again."""
        self.emit(ServiceEvent(kind="ready", service=group.name, slot=slot.index, detail="recovered"))
        self.changed()

    def restarting(self, group: ServiceGroup, slot: Slot, delay_s: float) -> None:
        """A slot gets its next worker."""
        event = ServiceEvent(
            kind="restarting", service=group.name, slot=slot.index, seconds=delay_s, detail=slot.last_cause
        )
        self.emit(event)

    def _tell(
        self,
        kind: ServiceEventKind,
        group: ServiceGroup,
        process: WorkerProcess,
        *,
        seconds: float | None = None,
        detail: str = "",
    ) -> None:
        event = ServiceEvent(
            kind=kind,
            service=group.name,
            slot=process.slot,
            pid=process.pid,
            seconds=seconds,
            detail=detail,
            last_lines=process.last_lines[-LINES_OF_THE_DEAD:] if kind == "died" else (),
        )
        self.emit(event)
