"""The workers of one service: as many hosts in this process as it has slots."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from dynamo_core.client import make_client
from dynamo_core.errors import ServiceFailedError, ServiceUnavailableError, StartError
from dynamo_core.host.unless import unless
from dynamo_core.inprocess.channel import InProcessChannel
from dynamo_core.inprocess.ingress import HttpIngress
from dynamo_core.inprocess.worker import Place, Worker
from dynamo_core.provider import ServiceEvent, ServiceStatus
from dynamo_core.remote.clients import RemoteClients, remote_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dynamo_core.inprocess.ingress import Ingress
    from dynamo_core.inprocess.worker import RunFacts
    from dynamo_core.provider import DependencyInterface, ServiceInterface
    from dynamo_core.provider.events import ServiceEventKind
    from dynamo_core.supervision.http_listener import HttpListener


class WorkerGroup:
    """Starts, replaces and stops the workers of one service; one change at a time.

    Belongs to the event loop it is made on.

    Args:
        service: The bound service.
        dependencies: Its bound edges, by attribute.
        run: What all workers of the run share.
        listener: The service's HTTP socket; None when it has none. The caller closes it.
        more_ingresses: Makes further ways into a worker of that slot.

    Attributes:
        client: A client for the service.
    """

    def __init__(
        self,
        service: ServiceInterface,
        dependencies: Mapping[str, DependencyInterface],
        run: RunFacts,
        *,
        listener: HttpListener | None = None,
        more_ingresses: Callable[[int, int], Sequence[Ingress]] | None = None,
    ) -> None:
        self._service = service
        self._dependencies = {name: each for name, each in dependencies.items() if each.on is not None}
        self._elsewhere = RemoteClients(
            {
                name: (each.definition.url, remote_service(each.definition))
                for name, each in dependencies.items()
                if each.on is None and each.definition.url is not None
            }
        )
        self._run = run
        self._listener = listener
        self._more_ingresses = more_ingresses
        self._workers: dict[int, Worker] = {}
        self._leaving: list[Worker] = []
        self._change = asyncio.Lock()
        self._channel = InProcessChannel(service.name)
        self._state = ""
        self.client: Any = make_client(
            service.inner, service.definition, self._channel, asyncio.get_running_loop()
        )

    @property
    def status(self) -> ServiceStatus:
        """How it is doing."""
        return ServiceStatus(
            name=self._service.name,
            state=self._state or "starting",
            workers=tuple(self._workers[slot].status for slot in sorted(self._workers)),
            http_url=None if self._listener is None else self._listener.url,
        )

    async def start(self) -> None:
        """Start as many workers as the configuration asks for, and return once all are ready.

        Raises:
            StartError: One failed; the others are stopped again by :meth:`stop`.
        """
        self._state = "starting"
        self._emit("starting")
        async with self._change:
            try:
                await self._add(range(self._service.config.workers))
            except StartError as exc:
                self._run.emit(
                    ServiceEvent(kind="failed", service=exc.service, slot=exc.slot, detail=exc.cause)
                )
                raise
        self._state = "ready"
        if self._listener is not None:
            self._run.emit(ServiceEvent(kind="listening", service=self._service.name, url=self._listener.url))

    async def scale(self, workers: int) -> None:
        """Bring the service to that many workers, and return once they are ready or gone.

        Raises:
            ServiceFailedError: A new one did not become ready; those that did stay.
        """
        async with self._change:
            surplus = [worker for slot, worker in self._workers.items() if slot >= workers]
            missing = [slot for slot in range(workers) if slot not in self._workers]
            try:
                await self._add(missing)
            except StartError as exc:
                raise _failed(exc) from exc
            await self._drop(surplus)

    async def restart(self) -> None:
        """Replace every worker, one slot after the other; each new one is ready before the old one goes.

        Raises:
            ServiceFailedError: A new one did not become ready; its predecessor stays.
        """
        async with self._change:
            for old in list(self._workers.values()):
                self._run.emit(ServiceEvent(kind="restarting", service=self._service.name, slot=old.slot))
                new = self._make(Place(old.slot, old.generation + 1))
                try:
                    await self._start(new)
                except StartError as exc:
                    raise _failed(exc) from exc
                self._workers[old.slot] = new
                self._publish()
                self._leaving.append(old)
                await self._end_leaving()

    async def stop(self) -> None:
        """Stop all workers and close what belongs to the service; safe to call twice."""
        async with self._change:
            if self._state in {"", "stopped"}:
                return
            began = time.monotonic()
            self._state = "stopping"
            self._emit("stopping")
            await self._drop(list(self._workers.values()))
            await self._channel.aclose()
            await self._elsewhere.aclose()
            self._state = "stopped"
            self._emit("stopped", seconds=time.monotonic() - began)

    async def _add(self, slots: Iterable[int]) -> None:
        new = [self._make(Place(slot)) for slot in slots]
        try:
            async with asyncio.TaskGroup() as tasks:
                for worker in new:
                    tasks.create_task(
                        self._start(worker), name=f"start of {self._service.name}/{worker.slot}"
                    )
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._workers.update({worker.slot: worker for worker in new if worker.state == "ready"})
            self._publish()

    async def _start(self, worker: Worker) -> None:
        if not await unless(self._run.is_ending, worker.start()):
            raise ServiceUnavailableError(self._service.name, "its run is being stopped")

    async def _drop(self, workers: Sequence[Worker]) -> None:
        for worker in workers:
            del self._workers[worker.slot]
        self._publish()
        self._leaving += workers
        await self._end_leaving()

    async def _end_leaving(self) -> None:
        """Stop the workers that get no more calls; a stop that was interrupted is taken up again."""
        results = await asyncio.gather(*(worker.stop() for worker in self._leaving), return_exceptions=True)
        self._leaving = [worker for worker in self._leaving if worker.state != "stopped"]
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _make(self, place: Place) -> Worker:
        ingresses: list[Ingress] = []
        if self._listener is not None:
            ingresses.append(HttpIngress(self._listener.dup(), self._listener.http))
        if self._more_ingresses is not None:
            ingresses += self._more_ingresses(*place)
        near = {attribute: dependency.get() for attribute, dependency in self._dependencies.items()}
        clients = {**near, **self._elsewhere.clients()}
        return Worker(self._service, place, self._run, clients=clients, ingresses=ingresses)

    def _publish(self) -> None:
        self._channel.set_workers({slot: worker.calls for slot, worker in self._workers.items()})

    def _emit(self, kind: ServiceEventKind, *, seconds: float | None = None) -> None:
        self._run.emit(ServiceEvent(kind=kind, service=self._service.name, seconds=seconds))


def _failed(exc: StartError) -> ServiceFailedError:
    return ServiceFailedError(exc.service, exc.cause, slot=exc.slot, last_lines=exc.last_lines)
