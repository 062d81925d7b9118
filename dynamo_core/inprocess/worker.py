"""One worker: a host in this process, the calls under way in it, and the ways in from outside."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from dynamo_core.errors import StartError
from dynamo_core.host import Host
from dynamo_core.host.failures import traceback_text
from dynamo_core.inprocess.calls import WorkerCalls
from dynamo_core.provider import ServiceEvent, WorkerStatus
from dynamo_core.supervision.stop_shares import time_for_hooks_s

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dynamo_core.inprocess.ingress import Ingress
    from dynamo_core.provider import ServiceInterface
    from dynamo_core.provider.events import ServiceEventKind
    from dynamo_core.supervision.stop_shares import StopShares

logger = logging.getLogger(__name__)

_LAST_LINES: Final = 20
_READY_CHECK_S: Final = 0.05
_CLEAN_UP_TIMEOUT_S: Final = 5.0


@attrs.define(kw_only=True, eq=False)
class RunFacts:
    """What all workers of a run share.

    Attributes:
        run_id: Id of the run.
        graph: Name of the graph.
        emit: Tells everybody of an event.
        is_ending: Set once the run is being stopped.
        stop_shares: What each service gets of the run's stop time from then on.
        hurry: Set once nobody wants to wait for calls to finish any more.
    """

    run_id: str
    graph: str
    emit: Callable[[ServiceEvent], None]
    is_ending: asyncio.Event = attrs.field(factory=asyncio.Event)
    stop_shares: StopShares | None = None
    hurry: asyncio.Event = attrs.field(factory=asyncio.Event)


class Place(NamedTuple):
    """Where a worker stands among those of its service.

    Attributes:
        slot: Its slot.
        generation: How many workers the slot has had, this one included.
    """

    slot: int
    generation: int = 1


class Worker:
    """One instance of a service, from its start to its end.

    Args:
        service: The bound service.
        place: Its slot and generation.
        run: What all workers of the run share.
        clients: Clients for its dependencies, by attribute.
        ingresses: Ways in from outside; the worker closes them.

    Attributes:
        slot: Its slot.
        generation: How many workers the slot has had, this one included.
        state: ``starting``, ``ready``, ``stopping`` or ``stopped``.
        calls: Runs calls from inside the process.
    """

    def __init__(
        self,
        service: ServiceInterface,
        place: Place,
        run: RunFacts,
        *,
        clients: Mapping[str, object],
        ingresses: Sequence[Ingress],
    ) -> None:
        self.slot, self.generation = place
        self.state = "starting"
        self._service = service
        self._run = run
        self._ingresses = tuple(ingresses)
        self._host = Host(
            service.definition,
            slot=self.slot,
            config=service.config,
            clients=clients,
            run_id=run.run_id,
            graph=run.graph,
        )
        self.calls = WorkerCalls(self._host)

    @property
    def status(self) -> WorkerStatus:
        """How it is doing."""
        return WorkerStatus(
            slot=self.slot,
            pid=os.getpid() if self.state != "stopped" else None,
            state=self.state,
            path=next((ingress.path for ingress in self._ingresses if ingress.path), None),
            generation=self.generation,
        )

    async def start(self) -> None:
        """Start, and return once it is ready for calls; a failed start is undone first.

        Raises:
            StartError: It failed, or took longer than the service's start time.
            DynamoError: A way in cannot be opened.
        """
        began = time.monotonic()
        try:
            await self._start_in_time(self._service.config.supervision.startup_timeout_s)
        except BaseException:
            await self._end(grace_s=0.0)
            raise
        self.state = "ready"
        self._emit("ready", seconds=time.monotonic() - began)

    async def _start_in_time(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s) as time_limit:
                await self._start_host()
                for ingress in self._ingresses:
                    await self._open(ingress)
                while not await self._host.is_ready():
                    await asyncio.sleep(_READY_CHECK_S)
        except TimeoutError as exc:
            if not time_limit.expired():
                raise
            raise self._not_started(f"it was not ready within {timeout_s:g} s") from exc

    async def _start_host(self) -> None:
        try:
            await self._host.start()
        except Exception as exc:
            raise self._not_started(f"{type(exc).__name__}: {exc}", _last_lines(exc)) from exc

    async def _open(self, ingress: Ingress) -> None:
        try:
            await ingress.open(self._host)
        except StartError as exc:  # of the application's own lifespan; it does not know the service
            raise self._not_started(exc.cause, exc.last_lines) from exc

    def _not_started(self, cause: str, last_lines: Sequence[str] = ()) -> StartError:
        return StartError(self._service.name, cause, slot=self.slot, last_lines=last_lines)

    async def stop(self) -> None:
        """Finish calls within the service's stop time, or at once in a hurry, then run its stop hooks.

        Safe to call twice.
        """
        if self.state == "stopped":
            return
        self.state = "stopping"
        self._emit("stopping")
        shares, grace_s = self._run.stop_shares, self._service.config.supervision.stop_timeout_s
        if shares is not None:
            grace_s = shares.grace_s(self._service.name, time.monotonic())
        await self._end(grace_s=grace_s - time_for_hooks_s(grace_s))
        self._emit("stopped")

    async def _end(self, *, grace_s: float) -> None:
        for ingress in self._ingresses:
            ingress.stop_accepting(grace_s)
        hurrying = asyncio.ensure_future(self._run.hurry.wait())
        draining = asyncio.ensure_future(self._host.drain(grace_s))
        try:
            await asyncio.wait([hurrying, draining], return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurrying.cancel()
            draining.cancel()
        await self._host.stop()  # what still runs is cancelled before its stop hooks
        await self.calls.aclose(_CLEAN_UP_TIMEOUT_S)
        for ingress in self._ingresses:
            await ingress.aclose()
        self.state = "stopped"

    def _emit(self, kind: ServiceEventKind, *, seconds: float | None = None) -> None:
        pid = os.getpid()
        event = ServiceEvent(kind=kind, service=self._service.name, slot=self.slot, pid=pid, seconds=seconds)
        self._run.emit(event)


def _last_lines(exc: BaseException) -> tuple[str, ...]:
    """The end of the traceback of what a host raised, oldest line first, from the user's code on."""
    if exc.__traceback__ is not None:
        exc.__traceback__ = exc.__traceback__.tb_next  # this module's own frame
    return tuple(traceback_text(exc).splitlines()[-_LAST_LINES:])
