"""One run, from its private directory to the last worker's end.

It lives on one event loop, of whatever thread, and leaves the process around it alone: it installs no handler,
waits for no child but its own, and changes neither umask nor logging.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from dynamo_bentoml.supervisor.commands import RunCommands
from dynamo_bentoml.supervisor.group import ServiceGroup
from dynamo_bentoml.supervisor.guardian import Guardian
from dynamo_bentoml.supervisor.guardian_process import kill_marked
from dynamo_bentoml.supervisor.launcher import Launcher
from dynamo_bentoml.supervisor.listeners import HttpListener, SlotListener
from dynamo_bentoml.supervisor.log_book import LogBook
from dynamo_bentoml.supervisor.output import LinePrinter
from dynamo_bentoml.supervisor.report import RunReport
from dynamo_core.control import RunDirectory, sweep_dead_runs
from dynamo_core.control.server import ControlServer
from dynamo_core.errors import DynamoError, ServiceFailedError, StartError
from dynamo_core.provider import LogLine, Member, ServiceEvent
from dynamo_core.transport import encode_membership

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from dynamo_bentoml.plan import RunPlan, ServicePlan
    from dynamo_bentoml.supervisor.process import Launch, WorkerProcess
    from dynamo_bentoml.supervisor.slot import Slot
    from dynamo_core.provider import RunStatus
    from dynamo_core.provider.events import ServiceEventKind

logger = logging.getLogger(__name__)

MembersListener = Callable[[str, Sequence[Member]], None]
NO_DEVICES: Final[Mapping[str, Mapping[str, str]]] = {}


def _ignore_members(service: str, members: Sequence[Member]) -> None:
    """Nobody wants to know."""


class Supervisor:
    """Runs the services of a plan in worker processes.

    Args:
        plan: What to run.
        emit: Hears every event, on the supervisor's loop.
        environ: The caller's environment.
        output: Descriptor that workers' lines are written to; None for nowhere.
        devices: Variables that name the devices of a service's workers, by service.
        tell_members: Hears where a service's workers are, whenever that changes.

    Attributes:
        plan: What is run.
        groups: Its services, dependencies first.
        log_book: What workers wrote.
        directory: The run's directory; there once :attr:`opened` is set.
        opened: Set once the run has its directory.
        ready: Set once every worker was ready for the first time.
        failure: What ended the run; None while nothing did but a request.
    """

    directory: RunDirectory

    def __init__(  # noqa: PLR0913  # what a run needs from its surroundings
        self,
        plan: RunPlan,
        *,
        emit: Callable[[ServiceEvent], None],
        environ: Mapping[str, str],
        output: int | None = 2,
        devices: Mapping[str, Mapping[str, str]] = NO_DEVICES,
        tell_members: MembersListener = _ignore_members,
    ) -> None:
        self.plan = plan
        self.groups: list[ServiceGroup] = []
        self.log_book = LogBook()
        self.opened = asyncio.Event()
        self.ready = asyncio.Event()
        self.failure: DynamoError | None = None
        self.is_stopping = False
        self._emit = emit
        self._environ = environ
        self._devices = devices
        self._tell_members = tell_members
        self._printer = LinePrinter(output)
        self._stop_requested = asyncio.Event()
        self._change = asyncio.Event()
        self._http_listeners: dict[str, HttpListener] = {}
        self._members: dict[str, tuple[Member, ...]] = {}
        self._dead_owners: set[str] = set()
        self._sweep_due = asyncio.Event()

    # --- the run -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Start everything, serve until asked to stop, and leave nothing behind.

        Raises:
            StartError: A service failed before the run was ready.
            ServiceFailedError: A service failed later, and its policy ended the run.
            DynamoError: Nothing could be started: no run directory, a port in use.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(self._printer.close)
            self._open(stack)
            control = ControlServer(RunCommands(self), self.directory)
            async with _Helpers() as self._helpers:
                self._helpers.start(self._report.keep_written(self), "state file")
                self._helpers.start(self._keep_swept(), "sweep")
                try:
                    await control.open()
                    self.opened.set()
                    await self._serve()
                finally:
                    self.is_stopping = True
                    await asyncio.shield(self._kill_rest())
                    self.log_book.close()
                    await control.aclose()
        if self.failure is not None:
            raise self.failure

    def _open(self, stack: contextlib.ExitStack) -> None:
        """Make what workers need before any of them is started; all of it is let go by *stack*."""
        sweep_dead_runs(environ=self._environ)
        self.directory = stack.enter_context(RunDirectory.create(environ=self._environ))
        self._report = RunReport(self.plan, self.directory)
        for service in self.plan.services:
            if service.http is not None:
                listener = HttpListener(
                    service.name,
                    host=service.http.host,
                    port=service.http.port,
                    is_tls=service.config.http.tls_certificate is not None,
                )
                stack.callback(listener.close)
                self._http_listeners[service.name] = listener
        for service in self.plan.services:
            group = ServiceGroup(service, self)
            self.groups.append(group)
            stack.callback(group.close)
            group.open()
        self._launcher = Launcher(
            self.plan,
            directory=self.directory,
            environ=self._environ,
            http_listeners=self._http_listeners,
            devices=self._devices,
            first_memberships=self._first_memberships,
        )
        self._guardian = Guardian(self.directory.run_id)
        stack.callback(self._guardian.close)

    async def _serve(self) -> None:
        for group in self.groups:
            self._tell("starting", group)
        for group in self.groups:
            if not self.is_stopping:
                group.start()
        self.changed()
        await self._stop_requested.wait()
        self.is_stopping = True
        self.changed()
        await self._stop_in_order()

    async def _stop_in_order(self) -> None:
        """Stop every service once nothing that depends on it runs any more."""
        by_name = {group.name: group for group in self.groups}

        async def stop(group: ServiceGroup) -> None:
            for dependent in self.plan.dependents_of(group.name):
                await by_name[dependent].stopped.wait()
            began = time.monotonic()
            self._tell("stopping", group)
            await group.stop()
            self._tell("stopped", group, seconds=time.monotonic() - began)

        async with asyncio.TaskGroup() as stopping:
            for group in self.groups:
                stopping.create_task(stop(group), name=f"stop {group.name}")

    async def _kill_rest(self) -> None:
        """Whatever happened: no worker, and nothing that a worker left behind, outlives the run."""
        for group in self.groups:
            group.kill()
        for group in self.groups:
            await group.stop()
        await asyncio.to_thread(kill_marked, [f"{self.directory.run_id}/"])

    async def _keep_swept(self) -> None:
        """Kill what workers that have ended left behind outside their groups."""
        while True:
            await self._sweep_due.wait()
            self._sweep_due.clear()
            owners, self._dead_owners = self._dead_owners, set()
            await asyncio.to_thread(kill_marked, [f"{owner}\0" for owner in owners])

    # --- being told ----------------------------------------------------------------------------------------

    def request_stop(self, reason: str) -> None:
        """Stop the run; asking again changes nothing."""
        if not self._stop_requested.is_set():
            logger.info("the run is being stopped: %s", reason)
            self._stop_requested.set()

    def hurry(self, reason: str) -> None:
        """Stop the run, and kill workers instead of waiting for them."""
        self.request_stop(reason)
        for group in self.groups:
            group.hurry()

    def fail(self, failure: DynamoError) -> None:
        """End the run for *failure*; the first one counts."""
        if self.failure is None:
            self.failure = failure
        self.request_stop(str(failure))

    def say(self, service: str, what: str, reason: str | None = None) -> None:
        """Let everybody know of something that was asked of the run."""
        self._emit(
            ServiceEvent(kind="message", service=service, detail=f"{what} ({reason})" if reason else what)
        )

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
            group.status(listener.url if (listener := self._http_listeners.get(group.name)) else None)
            for group in self.groups
        ]
        if self.is_stopping:
            state = "stopping"
        elif self.is_starting:
            state = "starting"
        else:
            states = {service.state for service in services}
            state = next((each for each in ("failed", "degraded") if each in states), "ready")
        return self._report.status(state, services)

    async def next_change(self) -> None:
        """Wait until something has changed."""
        await self._change.wait()

    def changed(self) -> None:
        """Something that is reported has changed."""
        self._report.changed()
        self._change.set()
        self._change = asyncio.Event()

    # --- what its groups need ------------------------------------------------------------------------------

    def open_slot(self, service: ServicePlan, slot: int) -> SlotListener:
        """Bind the socket of a slot."""
        return SlotListener(self.directory.socket_path(self.plan.services.index(service), slot))

    def prepare(self, service: ServicePlan, slot: Slot) -> Launch:
        """How the slot's next worker is started."""
        return self._launcher.prepare(service, slot.index, slot.generation, slot.listener)

    def _first_memberships(self, service: ServicePlan) -> bytes:
        names = sorted(set(service.dependencies.values()))
        return b"".join(encode_membership(name, self._members.get(name, ())) for name in names)

    def dependencies_ready_at(self, service: ServicePlan) -> float | None:
        """When the last of the services it depends on became ready; None while one is not."""
        needed = set(service.dependencies.values())
        times = [group.ready_at for group in self.groups if group.name in needed]
        known = [time_s for time_s in times if time_s is not None]
        return max(known, default=0.0) if len(known) == len(times) else None

    def members_changed(self, group: ServiceGroup) -> None:
        """Tell callers of a service where its workers are: at every slot that has once been ready."""
        members = tuple(
            Member(slot=slot.index, path=str(slot.listener.path), generation=slot.served_generation)
            for slot in group.slots
            if slot.has_been_ready and not slot.is_given_up
        )
        self._members[group.name] = members
        frame = encode_membership(group.name, members)
        dependents = set(self.plan.dependents_of(group.name))
        for other in self.groups:
            if other.name in dependents:
                for process in other.processes:
                    process.send(frame)
        self._tell_members(group.name, members)

    def line(self, group: ServiceGroup, process: WorkerProcess, stream: str, text: str) -> None:
        """A worker has written a line."""
        self.log_book.write(LogLine(service=group.name, slot=process.slot, text=text, stream=stream))
        self._printer.write(f"{group.name}/{process.slot} | {text}")

    def spawned(self, group: ServiceGroup, process: WorkerProcess) -> None:
        """A worker runs."""
        self._guardian.register(process.pid)
        self._tell("spawned", group, process)

    def became_ready(self, group: ServiceGroup, process: WorkerProcess) -> None:
        """A worker takes calls; perhaps the whole run is ready now."""
        self._tell("ready", group, process, seconds=time.monotonic() - process.started_at)
        if self.is_starting and not self.is_stopping and all(each.is_ready for each in self.groups):
            self.ready.set()
            for service, listener in self._http_listeners.items():
                self._emit(ServiceEvent(kind="listening", service=service, url=listener.url))
        self.changed()

    def group_killed(self, process: WorkerProcess) -> None:
        """A worker's number is about to become free."""
        self._guardian.unregister(process.pid)

    def ended(self, group: ServiceGroup, process: WorkerProcess) -> None:
        """A worker has ended; what it left behind outside its group follows it."""
        if not process.is_stopping:
            self._tell("died", group, process, detail=process.describe_end())
        self._dead_owners.add(process.launch.owner)
        self._sweep_due.set()
        self.changed()

    def start_failed(self, group: ServiceGroup, slot: Slot) -> None:
        """A worker failed before it was ready: the run is not started."""
        self._emit(
            ServiceEvent(kind="failed", service=group.name, slot=slot.index, detail=slot.last_cause)
        )
        self.fail(StartError(group.name, slot.last_cause, slot=slot.index, last_lines=slot.last_lines))

    def limit_reached(self, group: ServiceGroup, slot: Slot) -> None:
        """A slot's failures have reached a limit: what its service's policy says happens."""
        kind: ServiceEventKind = "failed" if slot.is_given_up else "degraded"
        detail = f"{slot.limit}: {slot.last_cause}"
        self._emit(ServiceEvent(kind=kind, service=group.name, slot=slot.index, detail=detail))
        policy = group.plan.config.supervision.on_failure
        if policy == "stop-graph":
            lines = slot.last_lines
            self.fail(ServiceFailedError(group.name, detail, slot=slot.index, last_lines=lines))
        elif policy == "stop-dependents":
            for name in self.plan.all_dependents_of(group.name):
                self._stop_later(name)

    def _stop_later(self, name: str) -> None:
        group = next(each for each in self.groups if each.name == name)
        self._helpers.start(group.stop(), f"stop {name}")

    def recovered(self, group: ServiceGroup, slot: Slot) -> None:
        """A degraded slot is whole again."""
        self._emit(ServiceEvent(kind="ready", service=group.name, slot=slot.index, detail="recovered"))
        self.changed()

    def restarting(self, group: ServiceGroup, slot: Slot, delay_s: float) -> None:
        """A slot gets its next worker."""
        self._emit(
            ServiceEvent(
                kind="restarting",
                service=group.name,
                slot=slot.index,
                seconds=delay_s,
                detail=slot.last_cause,
            )
        )

    def _tell(
        self,
        kind: ServiceEventKind,
        group: ServiceGroup,
        process: WorkerProcess | None = None,
        *,
        seconds: float | None = None,
        detail: str = "",
    ) -> None:
        self._emit(
            ServiceEvent(
                kind=kind,
                service=group.name,
                slot=None if process is None else process.slot,
                pid=None if process is None else process.pid,
                seconds=seconds,
                detail=detail,
            )
        )


class _Helpers:
    """Tasks that accompany the run, and are cancelled with it."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work, name=name))

    async def __aenter__(self) -> _Helpers:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
