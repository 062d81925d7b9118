"""One run, from its private directory to the last worker's end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from typing import TYPE_CHECKING, Final

from dynamo_core.transport import Member

from dynamo_circus.guardian import Guardian
from dynamo_circus.notify import NotifySocket, is_from_worker
from dynamo_circus.supervisor.arbiter import Arbiter
from dynamo_circus.supervisor.channels import WorkerChannels
from dynamo_circus.supervisor.commands import RunCommands
from dynamo_circus.supervisor.launcher import Launcher
from dynamo_circus.supervisor.log_book import LogBook
from dynamo_circus.supervisor.output import OutputSink
from dynamo_circus.supervisor.report import RunReport
from dynamo_circus.supervisor.sockets import CircusSocket, HttpSocket, SlotSocket
from dynamo_circus.supervisor.watcher import Watcher
from dynamo_core.control import RunDirectory, sweep_dead_runs
from dynamo_core.errors import DynamoError, ServiceFailedError, StartError
from dynamo_core.control.server import ControlServer
from dynamo_core.provider import LogLine, ServiceEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dynamo_circus.plan import RunPlan, ServicePlan
    from dynamo_circus.supervisor.process import Launch, Process
    from dynamo_circus.supervisor.reaper import Reaper
    from dynamo_circus.supervisor.slots import Slot

logger = logging.getLogger(__name__)

HURRIED_GRACE_S: Final = 0.5
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Pulse:
    """Wakes everybody who waits, each time something happens."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    async def wait(self) -> None:
        """Wait for the next beat."""
        await self._event.wait()

    def beat(self) -> None:
        """Wake those who wait now."""
        self._event.set()
        self._event = asyncio.Event()


class Supervisor:
    """Runs the services of a plan in worker processes, and is their watchers' crew.

    It owns the process it lives in: its signal handlers, its children, and its umask while sockets are bound.

    Args:
        plan: What to run.
        emit: Hears every event, on the supervisor's loop.
        environ: The caller's environment.
        output: Descriptor that workers' lines go to.
        tell_members: Hears where a service's workers are, whenever that changes.

    Attributes:
        failure: Why the run ended, when it was not asked to.
        ready: Set once every slot of every service has been ready at once.
        changed: Beats whenever a worker has become ready, has ended or was given up.
        log_book: What workers wrote last.
    """

    arbiter: Arbiter | None = None
    directory: RunDirectory

    def __init__(
        self,
        plan: RunPlan,
        *,
        emit: Callable[[ServiceEvent], None],
        environ: Mapping[str, str],
        output: int = 2,
        tell_members: Callable[[str, Sequence[Member]], None] = lambda _service, _members: None,
    ) -> None:
        self.plan = plan
        self.failure: DynamoError | None = None
        self.ready = asyncio.Event()
        self.is_stopping = False
        self.started_at = time.time()
        self._emit = emit
        self._environ = environ
        self._tell_members = tell_members
        self.changed = Pulse()
        self.log_book = LogBook()
        self._sink = OutputSink(output)
        self._stop_requested = asyncio.Event()
        self._signals = 0
        self._ready_at: dict[str, float] = {}

    # --- the run -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Start everything, serve until asked to stop, and leave nothing behind.

        Raises:
            StartError: A service failed before the run was ready.
            ServiceFailedError: A service failed later, and its policy ended the run.
            DynamoError: Nothing could be started: no run directory, a port in use.
        """
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            stack.callback(self._sink.close)
            for number in STOP_SIGNALS:
                loop.add_signal_handler(number, self._signalled, number.name)
                stack.callback(loop.remove_signal_handler, number)
            self._open(stack)
            async with asyncio.TaskGroup() as self._tasks:
                reporting = self._tasks.create_task(self.report.keep_written(), name="state file")
                control = ControlServer(RunCommands(self), self.directory)
                try:
                    await control.open()
                    await self._serve()
                finally:
                    self.is_stopping = True
                    await asyncio.shield(self._kill_rest())
                    self.log_book.close()
                    await control.aclose()
                    reporting.cancel()
        if self.failure is not None:
            raise self.failure

    async def _serve(self) -> None:
        await self.arbiter.start()
        self._note_change()
        await self._stop_requested.wait()
        self.is_stopping = True
        self._note_change()
        async with asyncio.TaskGroup() as stopping:
            for watcher in self.watchers:
                stopping.create_task(self._stop_service(watcher), name=f"stop {watcher.name}")

    def _open(self, stack: contextlib.ExitStack) -> None:
        """Make what workers need before any of them is spawned; all of it is let go by *stack*."""
        sweep_dead_runs(environ=self._environ)
        self.directory = stack.enter_context(RunDirectory.create(environ=self._environ))
        slot_sockets = self._slot_sockets()
        self.http_sockets = {
            service.name: HttpSocket(
                f"{service.name}:http", service=service.name, host=service.http.host, port=service.http.port
            )
            for service in self.plan.services
            if service.http is not None
        }
        everything: list[CircusSocket] = [*self.http_sockets.values()]
        for found in slot_sockets.values():
            everything += found
        self.arbiter = Arbiter(everything, check_delay_s=self.plan.check_delay_s, sweep=self.sweep)
        stack.callback(self.arbiter.close)
        for service in self.plan.services:
            self.arbiter.add(Watcher(service, slot_sockets[service.name], self, self.arbiter.tornado_loop))
        self.arbiter.initialize()
        self._open_helpers(stack)

    def _open_helpers(self, stack: contextlib.ExitStack) -> None:
        self._notify = NotifySocket(self.directory.notify_socket_path, self._notified)
        self._notify.open()
        stack.callback(self._notify.close)
        self.channels = WorkerChannels(self.plan)
        stack.callback(self.channels.close_all)
        self._launcher = Launcher(
            self.plan,
            run_id=self.directory.run_id,
            environ=self._environ,
            notify_path=self.directory.notify_socket_path,
            channels=self.channels,
            http_sockets=self.http_sockets,
        )
        self.report = RunReport(self)
        self._guardian = Guardian(self.directory.run_id, self.directory.path)
        self._start_guardian()
        stack.callback(self._close_guardian)

    def _slot_sockets(self) -> dict[str, list[SlotSocket]]:
        return {
            service.name: [
                SlotSocket(
                    f"{service.name}/{slot}",
                    service=service.name,
                    slot=slot,
                    path=self.directory.socket_path(number, slot),
                )
                for slot in range(service.config.workers)
            ]
            for number, service in enumerate(self.plan.services)
        }

    def _start_guardian(self) -> None:
        self._guardian.start()
        if (pid := self._guardian.pid) is not None:
            self.reaper.watch(pid, self._guardian_ended)

    def _guardian_ended(self) -> None:
        if (pid := self._guardian.pid) is None:
            return
        self._guardian.was_reaped(self.reaper.collect(pid) or 0)
        if not self.is_stopping:
            logger.warning("the guardian has died; another one takes its place")
            self._start_guardian()

    def _close_guardian(self) -> None:
        if (pid := self._guardian.pid) is not None:
            self.reaper.unwatch(pid)
        self._guardian.close()
        self._guardian.wait(1.0)

    # --- stopping ------------------------------------------------------------------------------------------

    def request_stop(self, reason: str) -> None:
        """Stop the run; asking again changes nothing."""
        if not self._stop_requested.is_set():
            logger.info("the run is being stopped: %s", reason)
            self._stop_requested.set()

    def hurry(self, reason: str) -> None:
        """Stop the run, and give workers little time for it."""
        self.request_stop(reason)
        for watcher in self.watchers:
            watcher.hurry(HURRIED_GRACE_S)

    def _signalled(self, name: str) -> None:
        """The first signal stops the run, the second one hurries it, the third one kills."""
        self._signals += 1
        if self._signals == 1:
            self.request_stop(name)
        elif self._signals == 2:
            logger.warning("%s again: workers get %g s more", name, HURRIED_GRACE_S)
            self.hurry(name)
        else:
            self.request_stop(name)
            for watcher in self.watchers:
                watcher.hurry(0.0)
                watcher.kill_all()

    async def _stop_service(self, watcher: Watcher) -> None:
        """Stop one service once nothing depends on it any more."""
        for dependent in self.plan.dependents_of(watcher.name):
            await self.arbiter.get_watcher(dependent).stopped.wait()
        began = time.monotonic()
        if watcher.processes:
            self._emit(ServiceEvent(kind="stopping", service=watcher.name))
        await watcher._stop()
        self._emit(ServiceEvent(kind="stopped", service=watcher.name, seconds=time.monotonic() - began))

    async def _kill_rest(self) -> None:
        """Whatever happened: no worker and nothing a worker left behind outlives the run."""
        for watcher in self.watchers:
            watcher.hurry(0.0)
            watcher.kill_all()
        await self.arbiter.stop()
        for _ in range(100):
            if not self.reaper.kill_strangers(lambda owner, session: False):
                break
            await asyncio.sleep(0.01)
            self.reaper.scan()

    def _fail(self, failure: DynamoError) -> None:
        if self.failure is None:
            self.failure = failure
            self._stop_requested.set()

    # --- what watchers ask and tell ------------------------------------------------------------------------

    @property
    def tasks(self) -> asyncio.TaskGroup:
        """Where watchers' tasks belong."""
        return self._tasks

    @property
    def watchers(self) -> Sequence[Watcher]:
        """The run's watchers, dependencies first."""
        return self.arbiter.watchers if self.arbiter is not None else ()

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

    def prepare(self, service: ServicePlan, slot: Slot) -> Launch:
        """How the slot's next worker is started."""
        return self._launcher.prepare(service, slot)

    def abandon(self, launch: Launch) -> None:
        """Close what was opened for a worker that could not be spawned."""
        if launch.channel is not None:
            self.channels.close(launch.channel)

    def open_slot(self, service: ServicePlan, slot: int) -> SlotSocket:
        """Bind the socket of a slot that is added to a running service."""
        number = self.plan.services.index(service)
        path = self.directory.socket_path(number, slot)
        found = SlotSocket(f"{service.name}/{slot}", service=service.name, slot=slot, path=path)
        found.bind_and_listen()
        self.arbiter.sockets[found.name] = found
        return found

    def close_slot(self, found: SlotSocket) -> None:
        """Close the supervisor's copy of the socket of a slot that was taken away."""
        self.arbiter.sockets.pop(found.name, None)
        found.close()

    def write_line(self, service: str, slot: int, line: str) -> None:
        """Pass on one line that a worker wrote."""
        self._sink.write(f"{service}/{slot} | {line}")
        self.log_book.write(LogLine(service=service, slot=slot, text=line))

    def dependencies_ready_at(self, service: ServicePlan) -> float | None:
        """When the last of the services it depends on became ready; None while one is not."""
        times = [self._ready_at.get(name) for name in service.dependencies.values()]
        known = [when for when in times if when is not None]
        return max(known, default=0.0) if len(known) == len(times) else None

    def spawned(self, watcher: Watcher, slot: Slot, process: Process) -> None:
        """A worker runs."""
        self._guardian.register(process.pid)
        self._tell("spawned", watcher, slot, process)

    def became_ready(self, watcher: Watcher, slot: Slot, process: Process) -> None:
        """A worker is ready: its service's callers learn of it, and perhaps the whole run is ready now."""
        self.members_changed(watcher)
        self._ready_at.setdefault(watcher.name, time.monotonic())
        seconds = time.monotonic() - process.started_at
        self._tell("ready", watcher, slot, process, seconds=seconds)
        if self.is_starting and all(each.is_ready for each in self.watchers):
            self.ready.set()
            for service, found in self.http_sockets.items():
                self._emit(ServiceEvent(kind="listening", service=service, url=found.url))
        self._note_change()

    def members_changed(self, watcher: Watcher) -> None:
        """Tell callers of a service where its workers are: at every slot that has once been ready."""
        members = [
            Member(slot=slot.index, path=str(slot.socket.path), generation=slot.served_generation)
            for slot in watcher.slots
            if slot.has_been_ready and not slot.is_given_up
        ]
        self.channels.push(watcher.name, members)
        self._tell_members(watcher.name, members)

    def group_killed(self, pid: int) -> None:
        """A worker's pid is about to become free."""
        self._guardian.unregister(pid)

    def ended(self, watcher: Watcher, slot: Slot, process: Process) -> None:
        """A worker was collected."""
        if process.launch.channel is not None:
            self.channels.close(process.launch.channel)
        if not process.stopping:
            self._tell("died", watcher, slot, process, detail=process.describe_end())
        self._note_change()

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
        self._emit(ServiceEvent(kind="failed", service=watcher.name, slot=slot.index, detail=cause))
        self._fail(StartError(watcher.name, cause, slot=slot.index, last_lines=slot.last_lines))

    def limit_reached(self, watcher: Watcher, slot: Slot, cause: str) -> None:
        """A slot's failures have reached a limit: what its service's policy says happens."""
        kind = "failed" if slot.is_given_up else "degraded"
        self._emit(ServiceEvent(kind=kind, service=watcher.name, slot=slot.index, detail=cause))
        policy = watcher.service.config.supervision.on_failure
        if policy == "stop-graph":
            self._fail(ServiceFailedError(watcher.name, cause, slot=slot.index, last_lines=slot.last_lines))
        elif policy == "stop-dependents":
            for name in self._all_dependents_of(watcher.name):
                dependent = self.arbiter.get_watcher(name)
                self.tasks.create_task(dependent._stop(), name=f"stop {name}")
        self._note_change()

    def recovered(self, watcher: Watcher, slot: Slot) -> None:
        """A degraded slot is whole again."""
        self._emit(ServiceEvent(kind="ready", service=watcher.name, slot=slot.index, detail="recovered"))
        self._note_change()

    def restarting(self, watcher: Watcher, slot: Slot, delay_s: float, cause: str) -> None:
        """A slot will get its next worker."""
        self._emit(
            ServiceEvent(
                kind="restarting", service=watcher.name, slot=slot.index, seconds=delay_s, detail=cause
            )
        )

    def say(self, service: str, what: str, reason: str | None) -> None:
        """Let everybody know of something that was asked of the run."""
        detail = f"{what} ({reason})" if reason else what
        self._emit(ServiceEvent(kind="message", service=service, detail=detail))

    def _note_change(self) -> None:
        self.report.changed()
        self.changed.beat()

    def _all_dependents_of(self, name: str) -> set[str]:
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
        kind: str,
        watcher: Watcher,
        slot: Slot,
        process: Process,
        *,
        seconds: float | None = None,
        detail: str = "",
    ) -> None:
        self._emit(
            ServiceEvent(
                kind=kind,
                service=watcher.name,
                slot=slot.index,
                pid=process.pid,
                seconds=seconds,
                detail=detail,
            )
        )

    def _notified(self, sender: int, fields: Mapping[str, str]) -> None:
        for watcher in self.watchers:
            for pid, process in watcher.processes.items():
                if is_from_worker(sender, pid):
                    watcher.notified(process, dict(fields))
                    return
