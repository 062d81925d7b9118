"""One service inside one worker: its instance, its endpoints, its life."""

from __future__ import annotations

import asyncio
import enum
import logging
from typing import TYPE_CHECKING, Any, Final

import attrs

from dynamo_core.definition import EndpointKind
from dynamo_core.errors import EndpointNotFoundError
from dynamo_core.host.admission import Admission
from dynamo_core.host.batching import Batcher, make_queue
from dynamo_core.host.deadline import DeadlineClock
from dynamo_core.host.endpoint import HostedEndpoint
from dynamo_core.host.lifecycle import HookRunner, build_instance
from dynamo_core.host.running import RunningCalls
from dynamo_core.host.threads import ThreadPool
from dynamo_core.host.workplace import Workplace
from dynamo_core.values import EndpointCodec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import EndpointDefinition, ServiceDefinition
    from dynamo_core.host.admission import Lane
    from dynamo_core.host.batching import MakeDispatcher

logger = logging.getLogger("dynamo_core.host")

DEFAULT_THREADS: Final = 40
"""Calls of ``def`` endpoints that run at once where nothing sets a limit."""
_CANCEL_WAIT_S: Final = 1.0


class _Stage(enum.Enum):
    NEW = "new"
    STARTING = "starting"
    STARTED = "started"
    STOPPED = "stopped"


class Host:
    """Runs one service, whatever carries the calls to it.

    Used from one event loop. In order: :meth:`start`, calls, :meth:`drain`, :meth:`stop`; it cannot be started
    again.

    Args:
        definition: The service.
        slot: Slot of the worker.
        config: The service's configuration, all sources merged.
        clients: What becomes of its dependencies, by attribute.
        run_id: Id of the run.
        graph: Name of the graph.
        make_dispatcher: Makes what decides which calls of a batchable endpoint are joined.

    Attributes:
        definition: The service.
        slot: Slot of the worker.
        config: The service's configuration.
        endpoints: Its endpoints, in the order of declaration.
    """

    def __init__(  # noqa: PLR0913  # what a worker is told
        self,
        definition: ServiceDefinition,
        *,
        slot: int,
        config: ServiceConfig,
        clients: Mapping[str, object],
        run_id: str,
        graph: str = "",
        make_dispatcher: MakeDispatcher = make_queue,
    ) -> None:
        self.definition = definition
        self.slot = slot
        self.config = config
        self._clients = {**_missing_clients(definition), **clients}
        self._run_id = run_id
        self._graph = graph
        self._make_dispatcher = make_dispatcher
        self._batchers: list[Batcher] = []
        self._instance: Any = None
        self._stage = _Stage.NEW
        self._checks: dict[tuple[str, ...], asyncio.Task[bool]] = {}
        self._has_stopped = asyncio.Event()
        traffic = config.traffic
        self._workplace = Workplace(
            service=definition.name,
            slot=slot,
            calls=RunningCalls(),
            admission=Admission(traffic.max_concurrency, traffic.max_queue),
            clock=DeadlineClock(),
            threads=ThreadPool(f"{definition.name}-{slot}"),
        )
        self._threads_lane: Lane | None = None
        self.endpoints: tuple[HostedEndpoint, ...] = tuple(
            self._host_endpoint(each) for each in definition.endpoints.values()
        )
        self._by_name = {each.definition.name: each for each in self.endpoints}

    @property
    def name(self) -> str:
        """Name of the service."""
        return self.definition.name

    @property
    def instance(self) -> Any:  # of the user's class
        """The service's instance; None before :meth:`start`."""
        return self._instance

    @property
    def running_calls(self) -> int:
        """Calls that run or wait for a place now."""
        return len(self._workplace.calls.calls)

    @property
    def finished_steps(self) -> int:
        """Calls that have ended so far; grows while a long queue of short calls keeps the loop from turning."""
        return self._workplace.calls.finished

    @property
    def threads(self) -> int:
        """Threads there are now, idle ones included."""
        return self._workplace.threads.size

    @property
    def waiting_calls(self) -> int:
        """Calls that wait for a place now."""
        return self._workplace.admission.waiting

    def endpoint(self, name: str) -> HostedEndpoint:
        """Give the endpoint of that name on the wire.

        Raises:
            EndpointNotFoundError: There is none.
        """
        found = self._by_name.get(name)
        if found is None:
            raise EndpointNotFoundError(self.name, name, known=list(self._by_name))
        return found

    async def start(self) -> None:
        """Build the instance and run its start hooks; endpoints answer afterwards.

        Clients and ``ServiceContext`` are on the instance before its ``__init__``, which runs in the thread of
        the event loop: nothing is served yet, and libraries that are bound to a thread, or look for the running
        loop, find what they expect. ``on_start`` hooks run in another thread, then ``async_on_start`` ones on
        the loop, those of base classes first.

        Raises:
            BaseException: What ``__init__`` or a hook raised, unchanged. No shutdown hook runs then.
            RuntimeError: It has been started before.
        """
        if self._stage is not _Stage.NEW:
            raise RuntimeError(f"the host of {self.name} cannot be started: it is {self._stage.value}")
        self._stage = _Stage.STARTING
        try:
            await self._start()
            if self._stage is not _Stage.STARTING:
                raise RuntimeError(f"the host of {self.name} was stopped while it was starting")
            self._stage = _Stage.STARTED
        except BaseException:
            self._stage = _Stage.STOPPED
            self._has_stopped.set()
            self._workplace.threads.close()
            raise

    async def _start(self) -> None:
        from dynamo_core.context import ServiceContext  # for services only

        instance = build_instance(
            self.definition,
            self._clients,
            ServiceContext(
                service=self.name,
                slot=self.slot,
                run_id=self._run_id,
                graph=self._graph,
                config=self.config,
            ),
        )
        self._instance = instance
        hooks = self._hooks()
        await hooks.run_all(self.definition.hooks.on_start)
        await hooks.run_all(self.definition.hooks.async_on_start)
        for endpoint, hosted in zip(self.definition.endpoints.values(), self.endpoints, strict=True):
            method = getattr(instance, endpoint.attribute)
            hosted.bind(self._join_calls(endpoint, method) if endpoint.batchable else method)

    def _join_calls(self, endpoint: EndpointDefinition, method: Callable[..., Any]) -> Callable[..., Any]:
        batcher = Batcher(endpoint, method, self._workplace, self.config.traffic, self._make_dispatcher)
        self._batchers.append(batcher)
        return batcher.call

    async def is_ready(self) -> bool:
        """Whether it has started and every readiness hook says that it can take calls."""
        return await self._holds(self.definition.hooks.readiness)

    async def is_alive(self) -> bool:
        """Whether it has started and every liveness hook says that it can still work."""
        return await self._holds(self.definition.hooks.liveness)

    async def _holds(self, names: tuple[str, ...]) -> bool:
        """Run hooks, or wait for the same ones that run already: one that hangs must not take ever more threads."""
        if self._stage is not _Stage.STARTED:
            return False
        if not names:
            return True
        check = self._checks.get(names)
        if check is None or check.done():
            check = asyncio.get_running_loop().create_task(self._hooks().all_hold(names), name="check")
            self._checks[names] = check
        try:
            return await asyncio.shield(check)
        except asyncio.CancelledError:
            if check.cancelled():  # by stop(), not by whoever asks
                return False
            raise

    async def drain(self, grace_s: float) -> bool:
        """Wait until nothing runs, not even in a thread whose call has been given up.

        Calls that come meanwhile are taken; to stop them is for what carries them.

        Args:
            grace_s: Seconds to wait.

        Returns:
            Whether nothing runs.
        """
        return await self._workplace.calls.wait_idle(grace_s)

    async def stop(self) -> None:
        """Refuse new calls, cancel what runs, run the shutdown hooks in reverse order, end the threads.

        Errors are logged. Threads that are stuck in an endpoint are not waited for. Safe to call twice, and
        after a start that failed.
        """
        if self._stage is _Stage.STOPPED:
            await self._has_stopped.wait()
            return
        was_started = self._stage is _Stage.STARTED
        self._stage = _Stage.STOPPED
        try:
            if was_started:
                await self._end_calls()
                await self._hooks().run_each(reversed(self.definition.hooks.on_shutdown))
        finally:
            self._has_stopped.set()
            self._workplace.clock.close()
            stuck = self._workplace.calls.threads_left
            self._workplace.threads.close()
            if stuck:
                logger.warning(
                    "service %s/%d: %d threads are stuck in an endpoint", self.name, self.slot, stuck
                )

    async def _end_calls(self) -> None:
        for hosted in self.endpoints:
            hosted.unbind("its worker stops")
        for check in self._checks.values():
            check.cancel()
        if self._checks:
            await asyncio.wait(self._checks.values(), timeout=_CANCEL_WAIT_S)
        calls = self._workplace.calls
        cancelled = calls.cancel_all()
        if cancelled:
            logger.warning(
                "service %s/%d: cancelled %d calls, since it stops", self.name, self.slot, cancelled
            )
            await calls.wait_idle(_CANCEL_WAIT_S)
        await calls.wait_closed(_CANCEL_WAIT_S)
        for batcher in self._batchers:
            await batcher.aclose()

    def _hooks(self) -> HookRunner:
        return HookRunner(self._instance, self._workplace.threads, self.name)

    def _host_endpoint(self, endpoint: EndpointDefinition) -> HostedEndpoint:
        traffic = self.config.traffic
        if endpoint.batchable:  # its calls wait for their batch, however the method is written
            endpoint = attrs.evolve(endpoint, kind=EndpointKind.UNARY)
        return HostedEndpoint(
            endpoint,
            EndpointCodec(self.name, endpoint),
            self._workplace,
            self._lane_of(endpoint),
            traffic.timeout_s if endpoint.timeout_s is None else endpoint.timeout_s,
        )

    def _lane_of(self, endpoint: EndpointDefinition) -> Lane | None:
        """The lane that limits an endpoint; those that need threads and have no limit share one."""
        admission = self._workplace.admission
        if endpoint.max_concurrency is not None or admission.places is not None:
            return admission.add_lane(endpoint.max_concurrency)
        if endpoint.kind not in {EndpointKind.SYNC, EndpointKind.SYNC_STREAM}:
            return None
        if self._threads_lane is None:
            self._threads_lane = admission.add_lane(DEFAULT_THREADS, is_bounded=False)
        return self._threads_lane

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}/{self.slot} {self._stage.value}>"


def _missing_clients(definition: ServiceDefinition) -> dict[str, object]:
    """What stands for the edges that ``link`` has left out, or nothing has bound."""
    from dynamo_core.client.factory import missing_client  # clients import the call context

    left_out = [each for each in definition.dependencies.values() if not each.service_name and not each.url]
    return {
        each.attribute: missing_client(
            each, f"{definition.name}.{each.attribute} leads to no service in this graph"
        )
        for each in left_out
    }
