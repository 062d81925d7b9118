"""One run, from its private directory to the last worker's end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from typing import TYPE_CHECKING, Final

from dynamo_circus.gpu.assignment import DeviceAssignment
from dynamo_circus.notify import NotifySocket
from dynamo_circus.supervisor.arbiter import Arbiter
from dynamo_circus.supervisor.channels import WorkerChannels
from dynamo_circus.supervisor.commands import RunCommands
from dynamo_circus.supervisor.http_refusals import HttpRefusals
from dynamo_circus.supervisor.launcher import Launcher
from dynamo_circus.supervisor.paths import RunPaths
from dynamo_circus.supervisor.report import RunReport
from dynamo_circus.supervisor.run_crew import RunCrew
from dynamo_circus.supervisor.sockets import CircusSocket, HttpSocket, SlotSocket
from dynamo_circus.supervisor.watcher import Watcher
from dynamo_core.control import RunDirectory, sweep_dead_runs
from dynamo_core.control.server import ControlServer
from dynamo_core.supervision.guardian import Guardian
from dynamo_core.supervision.stop_shares import StopShares
from dynamo_core.supervision.stop_signals import stop_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dynamo_circus.plan import RunPlan
    from dynamo_core.provider import LogLine, ServiceEvent
    from dynamo_core.transport import Member

logger = logging.getLogger(__name__)

HURRIED_GRACE_S: Final = 0.5


class Supervisor(RunCrew):
    """Runs the services of a plan in worker processes, and is their watchers' crew.

    It owns the process it lives in: its signal handlers, its children, and its umask while sockets are bound.

    Args:
        plan: What to run.
        emit: Hears every event, on the supervisor's loop.
        environ: The caller's environment.
        show_lines: Takes lines of workers, for people; must not block.
        tell_members: Hears where a service's workers are, and why there are none, whenever that changes.
    """

    def __init__(
        self,
        plan: RunPlan,
        *,
        emit: Callable[[ServiceEvent], None],
        environ: Mapping[str, str],
        show_lines: Callable[[Sequence[LogLine]], None],
        tell_members: Callable[[str, Sequence[Member], str], None] = lambda _service, _members, _refusal: (
            None
        ),
    ) -> None:
        super().__init__(plan, emit=emit, tell_members=tell_members, show_lines=show_lines)
        self.started_at = time.time()
        self._environ = environ
        self._signals = 0
        self._is_killed = asyncio.Event()

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
            stack.callback(self.log.close)
            for number in stop_signals():
                loop.add_signal_handler(number, self._signalled, number.name)
                stack.callback(loop.remove_signal_handler, number)
            self._open(stack)
            async with asyncio.TaskGroup() as self.run_tasks:
                helpers = [self.run_tasks.create_task(self.report.keep_written(), name="state file")]
                if self.plan.reload:
                    helpers.append(self.run_tasks.create_task(self.reloader.watch(), name="reload"))
                control = ControlServer(RunCommands(self), self.directory)
                try:
                    await control.open()
                    keeper = RunPaths(self, control, self._notify)
                    helpers.append(self.run_tasks.create_task(keeper.watch(), name="paths"))
                    await self._serve()
                finally:
                    self.is_stopping = True
                    await asyncio.shield(self._kill_rest())
                    self.log.book.close()
                    await control.aclose()
                    for helper in helpers:
                        helper.cancel()
        if self.failure is not None:
            raise self.failure

    async def _serve(self) -> None:
        await self.arbiter.start()
        self.note_change()
        await self.stop_requested.wait()
        self.is_stopping = True
        if self.stop_shares is None:  # else it is in a hurry already
            self.stop_shares = self._split_stop_time()
        self.note_change()
        stopping = asyncio.ensure_future(self._stop_in_order())
        killed = asyncio.ensure_future(self._is_killed.wait())
        try:
            await asyncio.wait({stopping, killed}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                stopping.result()
        finally:
            stopping.cancel()
            killed.cancel()
            await asyncio.wait({stopping, killed})

    async def _stop_in_order(self) -> None:
        async with asyncio.TaskGroup() as stopping:
            for watcher in self.watchers:
                stopping.create_task(
                    self.stop_service(watcher, "the run is being stopped"), name=f"stop {watcher.name}"
                )

    def _open(self, stack: contextlib.ExitStack) -> None:
        """Make what workers need before any of them is spawned; all of it is let go by *stack*."""
        self.devices = DeviceAssignment(self.plan, self._environ)
        if self.plan.log_files is not None:
            self.log.open_files(self.plan.log_files)
        sweep_dead_runs(environ=self._environ)
        self.directory = stack.enter_context(RunDirectory.create(environ=self._environ))
        slot_sockets = self._slot_sockets()
        self.http_sockets = {
            service.name: HttpSocket(
                f"{service.name}:http",
                service=service.name,
                host=service.http.host,
                port=service.http.port,
                is_tls=service.http.is_tls,
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
        self.http_refusals = HttpRefusals(self.http_sockets, self.plan)
        stack.callback(self.http_refusals.close)
        self._open_helpers(stack)

    def _open_helpers(self, stack: contextlib.ExitStack) -> None:
        self._notify = NotifySocket(self.directory.notify_socket_path, self.notified)
        self._notify.open()
        stack.callback(self._notify.close)
        self.channels = WorkerChannels(self.plan)
        stack.callback(self.channels.close_all)
        self.launcher = Launcher(
            self.plan,
            directory=self.directory,
            devices=self.devices,
            environ=self._environ,
            channels=self.channels,
            http_sockets=self.http_sockets,
        )
        self.report = RunReport(self)
        self.guardian = Guardian(self.directory.run_id, self.directory.path)
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
        self.guardian.start()
        if (pid := self.guardian.pid) is not None:
            self.reaper.watch(pid, self._guardian_ended)

    def _guardian_ended(self) -> None:
        if (pid := self.guardian.pid) is None:
            return
        self.guardian.was_reaped(self.reaper.collect(pid) or 0)
        if not self.is_stopping:
            logger.warning("the guardian has died; another one takes its place")
            self._start_guardian()

    def _close_guardian(self) -> None:
        if (pid := self.guardian.pid) is not None:
            self.reaper.unwatch(pid)
        self.guardian.close()
        self.guardian.wait(1.0)

    # --- stopping ------------------------------------------------------------------------------------------

    def request_stop(self, reason: str) -> None:
        """Stop the run; asking again changes nothing."""
        if not self.stop_requested.is_set():
            logger.info("the run is being stopped: %s", reason)
            self.stop_requested.set()

    def hurry(self, reason: str) -> None:
        """Stop the run, and give all workers together little time for it."""
        self.request_stop(reason)
        self.stop_shares = shares = self._split_stop_time(HURRIED_GRACE_S)
        now = time.monotonic()
        for watcher in self.watchers:
            watcher.hurry(shares.grace_s(watcher.name, now) if watcher.is_stopping() else HURRIED_GRACE_S)

    def _split_stop_time(self, most_s: float = math.inf) -> StopShares:
        """What each service gets from now on, and none more than *most_s* seconds."""
        return StopShares(
            {
                each.name: 0.0 if each.is_stopped() else min(each.graceful_timeout, most_s)
                for each in self.watchers
            },
            {service.name: set(service.dependencies.values()) for service in self.plan.services},
            began=time.monotonic(),
        )

    def _signalled(self, name: str) -> None:
        """The first signal stops the run, the second one hurries it, the third one kills."""
        self._signals += 1
        if self._signals == 1:
            self.request_stop(name)
        elif self._signals == 2:
            logger.warning("%s again: workers get %g s more", name, HURRIED_GRACE_S)
            self.hurry(name)
        else:
            if self._signals == 3:
                logger.warning("%s a third time: workers are killed", name)
            self.request_stop(name)
            self._is_killed.set()
            for watcher in self.watchers:
                watcher.kill_all()

    async def _kill_rest(self) -> None:
        """Whatever happened: no worker and nothing a worker left behind outlives the run."""
        for watcher in self.watchers:
            watcher.kill_all()
        await self.arbiter.stop()
        for _ in range(100):
            if not self.reaper.kill_strangers(lambda owner, session: False):
                break
            await asyncio.sleep(0.01)
            self.reaper.scan()
