"""A graph that runs on the calling event loop."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import importlib.util
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from dynamo_core.errors import DynamoError, ServiceUnavailableError, UnsupportedOperationError
from dynamo_core.inprocess.worker import RunFacts
from dynamo_core.inprocess.workers import WorkerGroup
from dynamo_core.provider import RunningServices, RunStatus, ServiceEvent
from dynamo_core.supervision.http_listener import HttpListener, http_port
from dynamo_core.supervision.stop_shares import shares_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from dynamo_core.inprocess.ingress import Ingress
    from dynamo_core.inprocess.options import InProcessOptions
    from dynamo_core.provider import BoundGraph, LogLine, ServiceInterface

    IngressMaker = Callable[[ServiceInterface, int, int], Sequence[Ingress]]

logger = logging.getLogger(__name__)

T = TypeVar("T")

NAME: Final = "inprocess"
_LIBRARIES_OF_HTTP: Final = ("starlette", "uvicorn", "httptools")
_ID_BYTES: Final = 8


@contextlib.asynccontextmanager
async def run_services(graph: BoundGraph, options: InProcessOptions) -> AsyncIterator[InProcessServices]:
    """Run *graph* for as long as the block lasts.

    Args:
        graph: What to run.
        options: What the caller asked of this provider.

    Raises:
        StartError: A service did not start; everything has been stopped again.
        AddressInUseError: The entry service's HTTP port is taken.
        MissingExtraError: HTTP was asked for, and its libraries are missing.
    """
    services = InProcessServices(graph, with_http=_wants_http(graph, options))
    try:
        await services.start()
        yield services
    finally:
        await services.stop()


def _wants_http(graph: BoundGraph, options: InProcessOptions) -> bool:
    if options.http is not None:
        return options.http
    if all(importlib.util.find_spec(name) is not None for name in _LIBRARIES_OF_HTTP):
        return True
    for service in graph.services:
        if service.definition.serves_http:
            detail = "HTTP is left out: pip install 'dynamo-core[http]'"
            graph.emit(ServiceEvent(kind="message", service=service.name, detail=detail))
    return False


class InProcessServices(RunningServices):
    """A started graph, all of it on one event loop.

    Args:
        graph: What to run.
        with_http: Whether services with routes listen for HTTP.
        run_id: Id of the run; empty for a random one.
        make_ingresses: Makes further ways into the worker of a service, slot and generation.

    Attributes:
        run_id: Id of the run.
        started_at: When it began, ISO 8601 with an offset.
    """

    def __init__(
        self,
        graph: BoundGraph,
        *,
        with_http: bool,
        run_id: str = "",
        make_ingresses: IngressMaker | None = None,
    ) -> None:
        self.run_id = run_id or secrets.token_hex(_ID_BYTES)
        self.started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._graph = graph
        self._with_http = with_http
        self._make_ingresses = make_ingresses
        self._facts = RunFacts(run_id=self.run_id, graph=graph.name, emit=graph.emit)
        self._groups: dict[str, WorkerGroup] = {}
        self._listeners: dict[str, HttpListener] = {}
        self._state = "starting"
        self._has_settled = asyncio.Event()
        self._stopping = asyncio.Lock()

    async def start(self) -> None:
        """Start the services, dependencies first; whoever calls this calls :meth:`stop`.

        Raises:
            StartError: A service did not start.
            DynamoError: The graph runs already, or a service cannot be reached as configured.
        """
        busy = [service.name for service in self._graph.services if getattr(service, "workers", None)]
        if busy:
            raise DynamoError(
                f"these services run already: {', '.join(busy)}; build another target to run them twice"
            )
        self._tell_what_is_ignored()
        self._listeners = await asyncio.to_thread(self._listen)
        for service in self._graph.services:
            self._groups[service.name] = group = self._make_group(service)
            service.workers = group  # type: ignore[attr-defined]  # an extension may have wrapped it
        for group in self._groups.values():
            await group.start()
        self._state = "ready"
        self._has_settled.set()

    def _tell_what_is_ignored(self) -> None:
        for service in self._graph.services:
            if service.envs:
                detail = f"{', '.join(service.envs)} of its envs are not set: all services share one process"
                self._facts.emit(ServiceEvent(kind="message", service=service.name, detail=detail))

    def _listen(self) -> dict[str, HttpListener]:
        """Open the TCP sockets before anything starts, so that a port that is taken costs nothing."""
        found: dict[str, HttpListener] = {}
        try:
            for service in self._graph.services:
                if self._with_http and service.definition.serves_http:
                    http = service.config.http
                    port = http_port(http, is_entry=service.name == self._graph.entry.name)
                    found[service.name] = HttpListener(service.name, http, port)
        except BaseException:
            for listener in found.values():
                listener.close()
            raise
        return found

    def _make_group(self, service: ServiceInterface) -> WorkerGroup:
        make = self._make_ingresses
        return WorkerGroup(
            service,
            self._graph.dependencies.get(service.name, {}),
            self._facts,
            listener=self._listeners.get(service.name),
            more_ingresses=None
            if make is None
            else (lambda slot, generation: make(service, slot, generation)),
        )

    async def status(self) -> RunStatus:
        """How every service and worker is doing now."""
        return RunStatus(
            graph=self._graph.name,
            provider=NAME,
            state=self._state,
            services=tuple(group.status for group in self._groups.values()),
            run_id=self.run_id,
            started_at=self.started_at,
        )

    async def wait_ready(self, timeout_s: float | None = None) -> None:
        """Wait until the run has started; it is ready from then on, because no worker can be lost.

        Raises:
            TimeoutError: *timeout_s* seconds passed.
            ServiceUnavailableError: The run has ended, or ends meanwhile.
        """
        async with asyncio.timeout(timeout_s):
            await self._has_settled.wait()
        self._group(self._graph.entry.name)

    async def scale(self, service: str, workers: int, *, reason: str | None = None) -> None:
        """Bring a service to that many workers; see ``RunningServices.scale``."""
        if workers < 0:
            raise ValueError(f"workers must be at least 0, got {workers}")
        group = self._group(service)
        logger.info("scaling %s to %d workers%s", service, workers, _because(reason))
        await group.scale(workers)

    async def restart(self, service: str, *, reason: str | None = None) -> None:
        """Replace every worker of a service; see ``RunningServices.restart``."""
        group = self._group(service)
        logger.info("restarting %s%s", service, _because(reason))
        await group.restart()

    async def stop(self, *, reason: str | None = None) -> None:
        """End the run: stop the services in reverse order; the second call waits for the same end."""
        self._facts.is_ending.set()
        self._has_settled.set()
        if self._state != "stopped":
            self._state = "stopping"
        async with self._stopping:
            if self._state == "stopped":
                return
            logger.debug("stopping run %s%s", self.run_id, _because(reason))
            self._facts.stop_shares = shares_of(self._graph, began=time.monotonic())
            for service in reversed(self._graph.services):
                group = self._groups.get(service.name)
                if group is not None:
                    await group.stop()
                    service.workers = None  # type: ignore[attr-defined]  # an extension may have wrapped it
            for listener in self._listeners.values():
                listener.close()
            self._state = "stopped"

    def hurry(self) -> None:
        """Make a stop that is under way, or comes, cancel calls instead of waiting for them."""
        self._facts.hurry.set()

    def logs(self, service: str | None = None) -> AsyncIterator[LogLine]:
        """Refused: services write to the streams of the one process.

        Raises:
            UnsupportedOperationError: Always.
        """
        what = "give logs" if service is None else f"give logs of {service!r}"
        raise UnsupportedOperationError(
            NAME, what, "services write to the streams of this process, where they cannot be told apart"
        )

    @overload
    def client(self, service: type[T]) -> T: ...
    @overload
    def client(self, service: str) -> Any: ...
    def client(self, service: type[Any] | str) -> Any:
        """A client for one service of the run."""
        return self._group(self._graph.find_service(service).name).client

    def _group(self, name: str) -> WorkerGroup:
        """The workers of a service.

        Raises:
            ServiceNotFoundError: The run has no such service.
            ServiceUnavailableError: The run has ended.
        """
        found = self._graph.find_service(name)
        if self._state in {"stopping", "stopped"} or found.name not in self._groups:
            raise ServiceUnavailableError(name, "its run has not been started, or has ended")
        return self._groups[found.name]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._graph.name!r} {self._state}>"


def _because(reason: str | None) -> str:
    return "" if reason is None else f" ({reason})"
