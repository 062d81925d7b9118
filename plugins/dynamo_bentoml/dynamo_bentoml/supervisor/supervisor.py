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
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import attrs

from dynamo_bentoml.supervisor.commands import RunCommands
from dynamo_bentoml.supervisor.group import ServiceGroup
from dynamo_bentoml.supervisor.launcher import Launcher
from dynamo_bentoml.supervisor.paths import RunPaths
from dynamo_bentoml.supervisor.report import RunReport
from dynamo_bentoml.supervisor.run_events import LinesListener, MembersListener, RunEvents
from dynamo_core.control import RunDirectory, sweep_dead_runs
from dynamo_core.control.server import ControlServer
from dynamo_core.provider import LogLine, Member, ServiceEvent
from dynamo_core.supervision.ending import call_at_end
from dynamo_core.supervision.guardian import Guardian, kill_owned
from dynamo_core.supervision.http_listener import HttpListener
from dynamo_core.supervision.stop_shares import StopShares

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from dynamo_bentoml.plan import RunPlan

logger = logging.getLogger(__name__)

GUARDIAN_END_S: Final = 1.0
NO_DEVICES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({})


def _show_nobody(lines: Sequence[LogLine]) -> None:
    """Nobody looks."""


def _tell_nobody(service: str, members: Sequence[Member]) -> None:
    """Nobody wants to know."""


class Supervisor(RunEvents):
    """Runs the services of a plan in worker processes.

    Args:
        plan: What to run.
        emit: Hears every event, on the supervisor's loop.
        environ: The caller's environment.
        show_lines: Takes what workers write, for people; must not block.
        devices: Variables that name the devices of a service's workers, by service.
        tell_members: Hears where a service's workers are, whenever that changes.

    Attributes:
        directory: The run's directory; there once the run is ready.
    """

    def __init__(  # noqa: PLR0913  # what a run needs from its surroundings
        self,
        plan: RunPlan,
        *,
        emit: Callable[[ServiceEvent], None],
        environ: Mapping[str, str],
        show_lines: LinesListener = _show_nobody,
        devices: Mapping[str, Mapping[str, str]] = NO_DEVICES,
        tell_members: MembersListener = _tell_nobody,
    ) -> None:
        super().__init__(plan, emit=emit, show_lines=show_lines, tell_members=tell_members)
        self._environ = environ
        self._devices = devices
        self._helpers = _Helpers()

    async def run(self) -> None:
        """Start everything, serve until asked to stop, and leave nothing behind.

        Raises:
            StartError: A service failed before the run was ready.
            ServiceFailedError: A service failed later, and its policy ended the run.
            DynamoError: Nothing could be started: no run directory, a port in use.
        """
        with contextlib.ExitStack() as stack:
            self._open(stack)
            control = ControlServer(RunCommands(self), self.directory)
            async with self._helpers:
                self._helpers.start(self.report.keep_written(self), "state file")
                self._helpers.start(self._keep_swept(), "sweep")
                try:
                    await control.open()
                    self._helpers.start(RunPaths(self, control).watch(), "paths")
                    await self._serve()
                finally:
                    self.is_stopping = True
                    await asyncio.shield(self._kill_rest())
                    self.log.book.close()
                    await control.aclose()
        if self.failure is not None:
            raise self.failure

    def _open(self, stack: contextlib.ExitStack) -> None:
        """Make what workers need before any of them is started; all of it is let go by *stack*."""
        stack.callback(self.log.close)
        if self.plan.log_files is not None:
            self.log.open_files(self.plan.log_files)
        sweep_dead_runs(environ=self._environ)
        self.directory = stack.enter_context(RunDirectory.create(environ=self._environ))
        self.report = RunReport(self.plan, self.directory)
        for service in self.plan.services:
            if service.http is not None:
                http = attrs.evolve(service.config.http, host=service.http.host)
                listener = HttpListener(service.name, http, service.http.port)
                stack.callback(listener.close)
                self.http_listeners[service.name] = listener
        self.launcher = Launcher(
            self.plan,
            directory=self.directory,
            environ=self._environ,
            http_listeners=self.http_listeners,
            devices=self._devices,
        )
        for service in self.plan.services:
            group = ServiceGroup(service, self)
            self.groups.append(group)
            stack.callback(group.close)
            group.open()
        self.guardian = Guardian(self.directory.run_id, self.directory.path)
        self._start_guardian()
        stack.callback(self._close_guardian)

    def _start_guardian(self) -> None:
        self.guardian.start()
        if (pid := self.guardian.pid) is not None:
            self._leave_guardian = call_at_end(pid, self._guardian_ended)

    def _guardian_ended(self) -> None:
        self.guardian.wait(GUARDIAN_END_S)
        if not self.is_stopping:
            logger.warning("the guardian has died; another one takes its place")
            self._start_guardian()

    def _close_guardian(self) -> None:
        self._leave_guardian()
        self.guardian.close()
        self.guardian.wait(GUARDIAN_END_S)

    async def _serve(self) -> None:
        for group in self.groups:
            self.emit(ServiceEvent(kind="starting", service=group.name))
        for group in self.groups:
            if not self.stop_requested.is_set():
                group.start()
        self.changed()
        await self.stop_requested.wait()
        self.is_stopping = True
        self.changed()
        shares = StopShares(
            {service.name: service.config.supervision.stop_timeout_s for service in self.plan.services},
            {service.name: set(service.dependencies.values()) for service in self.plan.services},
            began=time.monotonic(),
        )
        async with asyncio.TaskGroup() as stopping:
            for group in self.groups:
                stopping.create_task(self._stop_in_turn(group, shares), name=f"stop {group.name}")

    async def _stop_in_turn(self, group: ServiceGroup, shares: StopShares) -> None:
        """Stop one service once nothing that depends on it runs any more."""
        dependents = self.plan.dependents_of(group.name)
        for other in self.groups:
            if other.name in dependents:
                await other.stopped.wait()
        began = time.monotonic()
        if group.processes:
            self.emit(ServiceEvent(kind="stopping", service=group.name))
        await group.stop(shares.grace_s(group.name, began))
        self.emit(ServiceEvent(kind="stopped", service=group.name, seconds=time.monotonic() - began))

    async def _kill_rest(self) -> None:
        """Whatever happened: no worker, and nothing that a worker left behind, outlives the run."""
        for group in self.groups:
            group.kill()
        for group in self.groups:
            await group.stop()
        await asyncio.to_thread(kill_owned, [f"{self.directory.run_id}/"])

    async def _keep_swept(self) -> None:
        """Kill what workers that have ended left behind outside their groups."""
        while True:
            await self.sweep_due.wait()
            self.sweep_due.clear()
            owners, self.dead_owners = self.dead_owners, set()
            await asyncio.to_thread(kill_owned, [f"{owner}\0" for owner in owners])

    def stop_later(self, groups: Sequence[ServiceGroup]) -> None:
        """Stop services beside the run."""
        for group in groups:
            self._helpers.start(group.stop(), f"stop {group.name}")

    def hurry(self, reason: str) -> None:
        """Stop the run, and kill workers instead of waiting for them."""
        self.request_stop(reason)
        for group in self.groups:
            group.hurry()


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
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
