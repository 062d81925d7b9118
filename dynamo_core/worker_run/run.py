"""A graph that runs as worker processes, seen from the program that runs it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import os
import time
from typing import TYPE_CHECKING, Any, TypeVar, overload

from dynamo_core.control import RunDirectory, sweep_dead_runs
from dynamo_core.control.reporting import RunCommands, StateReport
from dynamo_core.control.server import ControlServer
from dynamo_core.errors import ServiceUnavailableError, StartError
from dynamo_core.logs.run_log import RunLog
from dynamo_core.provider.events import ServiceEvent
from dynamo_core.provider.interfaces import RunningServices
from dynamo_core.provider.status import RunStatus
from dynamo_core.supervision.run_clients import RunClients
from dynamo_core.supervision.stop_shares import shares_of
from dynamo_core.transport import encode_membership
from dynamo_core.worker_run.bound import WorkerService
from dynamo_core.worker_run.crew import Crew
from dynamo_core.worker_run.facts import RunFacts
from dynamo_core.worker_run.guard import RunGuard
from dynamo_core.worker_run.launcher import Launcher, check_graph

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dynamo_core.provider.bound import BoundGraph
    from dynamo_core.provider.status import LogLine
    from dynamo_core.worker_run.engine import Engine

logger = logging.getLogger(__name__)

T = TypeVar("T")


@contextlib.asynccontextmanager
async def run_workers(graph: BoundGraph, engine: Engine, *, provider: str) -> AsyncIterator[WorkerRun]:
    """Run *graph* for as long as the block lasts; what the hook ``run_services`` may return.

    Args:
        graph: What to run.
        engine: Starts workers.
        provider: Name of the provider, for the status of the run.

    Raises:
        StartError: A service did not start; everything has been stopped again.
        DynamoError: A socket, an address or the run's directory cannot be had, or the graph cannot be run so.
    """
    check_graph(graph, provider)
    await asyncio.to_thread(sweep_dead_runs)
    with RunDirectory.create() as directory:
        run = WorkerRun(graph, engine, directory, provider=provider)
        try:
            await run.start()
            yield run
        finally:
            await run.stop()


class WorkerRun(RunningServices):
    """A started graph of worker processes.

    Belongs to the event loop it is started on.

    Args:
        graph: What to run.
        engine: Starts workers.
        directory: The run's directory, which the caller owns.
        provider: Name of the provider.

    Raises:
        DynamoError: A secret or an address cannot be had.

    Attributes:
        run_id: Id of the run.
    """

    def __init__(self, graph: BoundGraph, engine: Engine, directory: RunDirectory, *, provider: str) -> None:
        self.run_id = directory.run_id
        self._graph = graph
        self._provider = provider
        self._guard = RunGuard(directory)
        self._started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._facts = RunFacts(
            directory=directory,
            engine=engine,
            launcher=Launcher(graph, directory, os.environ),
            log=RunLog(graph.show_lines),
            emit=self._emit,
            memberships_for=self._memberships_for,
            worker_ended=self._guard.worker_ended,
        )
        self._crews = {
            service.name: Crew(service, index, self._facts, self._members_changed)
            for index, service in enumerate(graph.services)
        }
        self._report = StateReport(self, directory, str(graph.entry.definition.target))
        self._reporting: asyncio.Task[None] | None = None
        self._control = ControlServer(_Commands(self, self._request_stop), directory)
        self._run_clients = RunClients(graph, self.run_id, lambda service: (self._crews[service].members, ""))
        self._state = "starting"
        self._has_changed = asyncio.Event()
        self._stopping: asyncio.Task[None] | None = None
        self._ask_to_stop: Callable[[], None] | None = None

    def on_stop_request(self, ask: Callable[[], None]) -> None:
        """Have *ask* called when somebody asks over the control socket for the run to be stopped."""
        self._ask_to_stop = ask

    async def start(self) -> None:
        """Start all services at once; each waits for what it depends on. Whoever calls this calls :meth:`stop`.

        Raises:
            StartError: One did not start.
        """
        await self._control.open()
        self._reporting = asyncio.create_task(self._report.keep_written(), name="state file")
        for service in self._graph.services:
            if isinstance(service, WorkerService):
                service.attach(self)
        self._guard.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                for crew in self._crews.values():
                    tasks.create_task(
                        crew.start(self._dependencies_of(crew.name)), name=f"start of {crew.name}"
                    )
        except BaseExceptionGroup as group:
            failure = _first_start_error(group)
            if failure is None:
                raise
            self._emit(
                ServiceEvent(kind="failed", service=failure.service, slot=failure.slot, detail=failure.cause)
            )
            raise failure from None
        await self._guard.wait_started()
        self._state = "ready"
        self._tell_change()

    def _dependencies_of(self, name: str) -> list[Crew]:
        edges = self._graph.dependencies.get(name, {}).values()
        return [self._crews[edge.on.name] for edge in edges if edge.on is not None]

    # --- what may be asked of it ---

    async def status(self) -> RunStatus:
        """How every service and worker is doing now."""
        services = tuple(crew.status for crew in self._crews.values())
        state = self._state
        if state == "ready" and any(service.state == "degraded" for service in services):
            state = "degraded"
        return RunStatus(
            graph=self._graph.name,
            provider=self._provider,
            state=state,
            services=services,
            run_id=self.run_id,
            started_at=self._started_at,
        )

    async def wait_ready(self, timeout_s: float | None = None) -> None:
        """Wait until every service has all its workers ready.

        Raises:
            TimeoutError: *timeout_s* passed.
            ServiceUnavailableError: The run has ended.
        """
        async with asyncio.timeout(timeout_s):
            while not all(crew.is_ready for crew in self._crews.values()):
                self._check_open(self._graph.entry.name)
                self._has_changed.clear()
                await self._has_changed.wait()

    async def scale(self, service: str, workers: int, *, reason: str | None = None) -> None:
        """Bring a service to that many workers; see ``RunningServices.scale``."""
        if workers < 0:
            raise ValueError(f"workers must be at least 0, got {workers}")
        crew = self._crew(service)
        logger.info("scaling %s to %d workers (%s)", service, workers, reason or "no reason given")
        await crew.scale(workers)

    async def restart(self, service: str, *, reason: str | None = None) -> None:
        """Replace every worker of a service; see ``RunningServices.restart``."""
        crew = self._crew(service)
        logger.info("restarting %s (%s)", service, reason or "no reason given")
        await crew.restart()

    def hurry(self) -> None:
        """Kill every worker at once, so that a stop which is under way, or comes, waits for no call."""
        for crew in self._crews.values():
            crew.kill()

    async def stop(self, *, reason: str | None = None) -> None:
        """End the run: stop the services in reverse order; the second call waits for the same end."""
        if self._stopping is None:
            logger.debug("stopping run %s (%s)", self.run_id, reason or "no reason given")
            self._state = "stopping"
            self._stopping = asyncio.create_task(self._stop(), name="stop")
        await asyncio.shield(self._stopping)

    def logs(self, service: str | None = None) -> AsyncIterator[LogLine]:
        """Lines that workers wrote: those kept, then new ones until the run ends or the iterator is closed."""
        return self.read_lines(service, follow=True)

    def read_lines(self, service: str | None, *, follow: bool) -> AsyncIterator[LogLine]:
        """Lines that were kept, of one service or of all; new ones too, if *follow* says so.

        Raises:
            ServiceNotFoundError: The run has no such service.
        """
        if service is not None:
            self._graph.find_service(service)
        return self._facts.log.book.read(service, follow=follow)

    @overload
    def client(self, service: type[T]) -> T: ...
    @overload
    def client(self, service: str) -> Any: ...
    def client(self, service: type[Any] | str) -> Any:
        """A client for one service of the run; the same one when asked again.

        Raises:
            ServiceNotFoundError: The run has no such service.
            ServiceUnavailableError: The run has ended.
        """
        self._check_open(self._graph.find_service(service).name)
        return self._run_clients.find(service)

    # --- inside ---

    async def _stop(self) -> None:
        shares = shares_of(self._graph, began=time.monotonic())
        for service in reversed(self._graph.services):
            try:
                await self._crews[service.name].stop(shares.grace_s(service.name, time.monotonic()))
            except (
                Exception
            ):  # the engine is the provider's code, and the others must be stopped all the same
                logger.exception("%s did not stop well", service.name)
        await self._guard.aclose()
        for service in self._graph.services:
            if isinstance(service, WorkerService):
                service.attach(None)
        self._state = "stopped"
        await self._run_clients.aclose()
        await self._control.aclose()
        if self._reporting is not None:
            self._reporting.cancel()
            await asyncio.gather(self._reporting, return_exceptions=True)
        self._facts.launcher.close()
        await asyncio.to_thread(self._facts.log.close)
        self._tell_change()

    def _request_stop(self) -> None:
        if self._ask_to_stop is not None:
            self._ask_to_stop()
        elif self._stopping is None:
            self._state = "stopping"
            self._stopping = asyncio.create_task(self._stop(), name="stop")

    def _members_changed(self, name: str) -> None:
        """Tell everybody who calls a service where its workers are now."""
        members = self._crews[name].members
        frame = encode_membership(name, members)
        for service in self._graph.services:
            edges = self._graph.dependencies.get(service.name, {}).values()
            if any(edge.on is not None and edge.on.name == name for edge in edges):
                self._crews[service.name].send(frame)
        self._run_clients.members_changed(name, members)
        self._tell_change()

    def _memberships_for(self, name: str) -> list[bytes]:
        crews = {crew.name: crew for crew in self._dependencies_of(name)}
        return [encode_membership(crew.name, crew.members) for crew in crews.values()]

    def _emit(self, event: ServiceEvent) -> None:
        self._graph.emit(event)
        self._tell_change()

    def _tell_change(self) -> None:
        self._has_changed.set()
        self._report.changed()

    def _crew(self, service: str) -> Crew:
        found = self._graph.find_service(service)
        self._check_open(found.name)
        return self._crews[found.name]

    def _check_open(self, service: str) -> None:
        if self._state in {"stopping", "stopped"}:
            raise ServiceUnavailableError(service, "its run has ended, or is about to")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.run_id}: {self._graph.name!r} {self._state}>"


class _Commands(RunCommands):
    """What may be asked over the control socket; lines come from the run's book, which knows when to end."""

    def __init__(self, run: WorkerRun, request_stop: Callable[[], None]) -> None:
        super().__init__(run, request_stop)
        self._run = run

    async def logs(self, service: str | None, /, *, follow: bool) -> AsyncIterator[LogLine]:
        """Lines that were kept, of one service or of all; new ones too, if *follow* says so."""
        async for line in self._run.read_lines(service, follow=follow):
            yield line


def _first_start_error(group: BaseExceptionGroup[Any]) -> StartError | None:
    """The first service that did not start, however deep it is."""
    for exc in group.exceptions:
        found = exc if isinstance(exc, StartError) else None
        if isinstance(exc, BaseExceptionGroup):
            found = _first_start_error(exc)
        if found is not None:
            return found
    return None
