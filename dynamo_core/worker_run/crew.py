"""The workers of one service."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from dynamo_core.errors import ServiceFailedError, StartError
from dynamo_core.provider.events import ServiceEvent
from dynamo_core.provider.status import ServiceStatus
from dynamo_core.supervision.slot_listener import SlotListener
from dynamo_core.worker_run.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dynamo_core.provider.events import ServiceEventKind
    from dynamo_core.provider.interfaces import ServiceInterface
    from dynamo_core.transport import Member
    from dynamo_core.worker_run.facts import RunFacts


class Crew:
    """Starts, changes and stops the slots of one service; one change at a time.

    Args:
        service: The bound service.
        index: Its position in the graph.
        run: What all parts of the run share.
        changed: Called with the service's name whenever callers may have to go elsewhere.

    Attributes:
        name: The service's name.
        was_ready: Set once all its first workers were ready.
    """

    def __init__(
        self, service: ServiceInterface, index: int, run: RunFacts, changed: Callable[[str], None]
    ) -> None:
        self.name = service.name
        self.was_ready = asyncio.Event()
        self._service = service
        self._index = index
        self._run = run
        self._changed = changed
        self._slots: dict[int, Slot] = {}
        self._state = "starting"
        self._change = asyncio.Lock()
        self._leaving: set[asyncio.Future[None]] = set()

    @property
    def members(self) -> tuple[Member, ...]:
        """Where callers reach it now."""
        found = (slot.member for slot in self._slots.values())
        return tuple(member for member in found if member is not None)

    @property
    def is_ready(self) -> bool:
        """Whether every slot has a worker that takes calls."""
        return self._state == "ready" and len(self.members) == len(self._slots)

    @property
    def status(self) -> ServiceStatus:
        """How it is doing."""
        state = self._state
        if state == "ready" and any(slot.is_degraded for slot in self._slots.values()):
            state = "degraded"
        elif state == "ready" and not self.is_ready:
            state = "starting"
        listener = self._run.launcher.http.get(self.name)
        return ServiceStatus(
            name=self.name,
            state=state,
            workers=tuple(self._slots[number].status for number in sorted(self._slots)),
            http_url=None if listener is None else listener.url,
        )

    def send(self, data: bytes) -> None:
        """Send a membership to all its workers."""
        for slot in self._slots.values():
            slot.send(data)

    async def start(self, dependencies: Iterable[Crew]) -> None:
        """Start as many workers as the configuration asks for, and return once all are ready.

        Args:
            dependencies: The services it depends on, which start at the same time.

        Raises:
            StartError: A worker did not become ready.
        """
        self._emit("starting")
        before = asyncio.Event()
        async with self._change, asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(_set_after(before, dependencies), name=f"before {self.name}")
            async with asyncio.TaskGroup() as starts:
                for slot in self._add(range(self._service.config.workers)):
                    starts.create_task(slot.fill(before), name=f"start of {self.name}/{slot.number}")
            waiting.cancel()
        self._state = "ready"
        self.was_ready.set()
        listener = self._run.launcher.http.get(self.name)
        if listener is not None:
            self._run.emit(ServiceEvent(kind="listening", service=self.name, url=listener.url))
        self._changed(self.name)

    async def scale(self, workers: int) -> None:
        """Bring the service to that many workers, and return once they are ready or gone.

        Raises:
            ServiceFailedError: A new one did not become ready; it is gone again.
        """
        async with self._change:
            await self._wait_left()  # of a change that was interrupted
            before = dict(self._slots)
            try:
                new = self._add(number for number in range(workers) if number not in before)
                async with asyncio.TaskGroup() as tasks:
                    for slot in new:
                        tasks.create_task(slot.fill(), name=f"start of {self.name}/{slot.number}")
            except BaseException as exc:
                await self._drop([slot for number, slot in self._slots.items() if number not in before])
                if isinstance(exc, BaseExceptionGroup) and isinstance(exc.exceptions[0], StartError):
                    raise _failed(exc.exceptions[0]) from None
                raise
            await self._drop([slot for number, slot in before.items() if number >= workers])

    async def restart(self) -> None:
        """Replace every worker, one slot after the other; each new one is ready before the old one goes.

        Raises:
            ServiceFailedError: A new one did not become ready; its predecessor stays.
        """
        async with self._change:
            for slot in list(self._slots.values()):
                try:
                    await slot.fill()
                except StartError as exc:
                    raise _failed(exc) from exc

    def kill(self) -> None:
        """End all its workers at once; their slots are not filled again once it is stopped."""
        for slot in self._slots.values():
            slot.kill()

    async def stop(self, grace_s: float) -> None:
        """Stop all workers within *grace_s* seconds. Safe to call twice."""
        if self._state == "stopped":
            return
        began = time.monotonic()
        self._state = "stopping"
        self._emit("stopping")
        await self._drop(list(self._slots.values()), grace_s)
        await self._wait_left()
        self._state = "stopped"
        self._emit("stopped", seconds=time.monotonic() - began)

    def _add(self, numbers: Iterable[int]) -> list[Slot]:
        new = []
        for number in numbers:
            path = self._run.directory.socket_path(self._index, number)
            slot = Slot(
                self._service, number, SlotListener(path), self._run, lambda: self._changed(self.name)
            )
            self._slots[number] = slot
            new.append(slot)
        return new

    async def _drop(self, slots: Iterable[Slot], grace_s: float | None = None) -> None:
        """Stop slots, which are the service's no more once they have; seen through, whoever waits for it."""
        leaving = asyncio.ensure_future(self._see_off(list(slots), grace_s))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        await asyncio.shield(leaving)

    async def _wait_left(self) -> None:
        if self._leaving:
            await asyncio.wait(self._leaving)

    async def _see_off(self, slots: Sequence[Slot], grace_s: float | None) -> None:
        try:
            await asyncio.gather(*(slot.stop(grace_s) for slot in slots))
        finally:
            for slot in slots:
                if self._slots.get(slot.number) is slot:
                    del self._slots[slot.number]
            self._changed(self.name)

    def _emit(self, kind: ServiceEventKind, *, seconds: float | None = None) -> None:
        self._run.emit(ServiceEvent(kind=kind, service=self.name, seconds=seconds))


async def _set_after(event: asyncio.Event, crews: Iterable[Crew]) -> None:
    for crew in crews:
        await crew.was_ready.wait()
    event.set()


def _failed(exc: StartError) -> ServiceFailedError:
    return ServiceFailedError(exc.service, exc.cause, slot=exc.slot, last_lines=exc.last_lines)
