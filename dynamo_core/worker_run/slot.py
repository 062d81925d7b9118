"""The place of one worker: a stable number with a socket, kept filled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from dynamo_core.errors import StartError
from dynamo_core.provider.events import ServiceEvent
from dynamo_core.provider.status import WorkerStatus
from dynamo_core.transport import Member, encode_stop_time
from dynamo_core.worker_run.backoff import BackOff
from dynamo_core.worker_run.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynamo_core.provider.events import ServiceEventKind
    from dynamo_core.provider.interfaces import ServiceInterface
    from dynamo_core.supervision.slot_listener import SlotListener
    from dynamo_core.worker_run.facts import RunFacts

logger = logging.getLogger(__name__)


class Slot:
    """Starts, replaces and stops the workers of one place; one change at a time.

    Args:
        service: The bound service.
        number: Its number.
        listener: The socket that its workers inherit; closed in the end.
        run: What all slots of a run share.
        changed: Called whenever callers may have to go elsewhere.

    Attributes:
        number: Its number.
        worker: What fills it; None before the first.
    """

    def __init__(
        self,
        service: ServiceInterface,
        number: int,
        listener: SlotListener,
        run: RunFacts,
        changed: Callable[[], None],
    ) -> None:
        self.number = number
        self.worker: Worker | None = None
        self._service = service
        self._listener = listener
        self._run = run
        self._changed = changed
        self._back_off = BackOff(service.config.supervision)
        self._generation = 0
        self._last_cause = ""
        self._leaving = asyncio.Event()
        self._change = asyncio.Lock()
        self._keeping: asyncio.Task[None] | None = None

    @property
    def status(self) -> WorkerStatus:
        """How it is doing."""
        worker = self.worker
        is_waiting = worker is None or (worker.ended.is_set() and not self._leaving.is_set())
        return WorkerStatus(
            slot=self.number,
            pid=None if worker is None or worker.ended.is_set() else worker.pid,
            state="waiting" if is_waiting else worker.state if worker is not None else "starting",
            path=str(self._listener.path),
            generation=0 if worker is None else worker.generation,
            restarts=max(0, self._generation - 1),
            last_cause=self._last_cause,
        )

    @property
    def member(self) -> Member | None:
        """Where callers reach it; None while it takes no calls."""
        if self.worker is None or not self.worker.takes_calls:
            return None
        return Member(slot=self.number, path=str(self._listener.path), generation=self.worker.generation)

    @property
    def is_degraded(self) -> bool:
        """Whether its workers die again and again."""
        return self._back_off.is_past_limit and not (self.worker is not None and self.worker.takes_calls)

    def send(self, data: bytes) -> None:
        """Send a membership to its worker."""
        if self.worker is not None and not self.worker.ended.is_set():
            self.worker.send(data)

    async def fill(self, before: asyncio.Event | None = None) -> None:
        """Start a worker in the place of the present one, if any, and keep the slot filled from then on.

        Args:
            before: Set once everything is ready that the service depends on; its start time counts from then.

        Raises:
            StartError: It did not become ready; the present one stays.
        """
        async with self._change:
            old, new = self.worker, await self._start()
            if old is None:
                self.worker = new
            await self._wait_ready(new, before)
            self.worker = new
            self._changed()
            if self._keeping is None:
                name = f"{self._service.name}/{self.number}"
                self._keeping = asyncio.create_task(self._keep_filled(), name=name)
        if old is not None:
            await self._end(old)

    def kill(self) -> None:
        """End its worker at once."""
        if self.worker is not None:
            self.worker.kill_now()

    async def stop(self, grace_s: float | None = None) -> None:
        """Stop its worker, and close its socket. Safe to call twice.

        Args:
            grace_s: Seconds it may take; None for the service's stop time.
        """
        self._leaving.set()
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
        async with self._change:  # a worker that is being started is given up now
            if self.worker is not None and not self.worker.ended.is_set():
                await self._end(self.worker, grace_s)
            self._listener.close()

    async def _end(self, worker: Worker, grace_s: float | None = None) -> None:
        """Stop a worker; it is killed after its grace also when nobody waits any more."""
        self._emit("stopping", worker)
        own_s = self._service.config.supervision.stop_timeout_s
        if grace_s is not None and grace_s < own_s:
            worker.send(encode_stop_time(grace_s))
        stopping = asyncio.ensure_future(worker.stop(own_s if grace_s is None else grace_s))
        self._changed()
        await asyncio.shield(stopping)
        self._emit("stopped", worker)

    async def _start(self) -> Worker:
        self._generation += 1
        try:
            launch = self._run.launcher.prepare(self._service, self.number, self._generation, self._listener)
            worker = Worker(launch, self._run.log, self._changed, self._run.worker_ended)
            await worker.start(self._run.engine)
        except OSError as exc:
            raise StartError(
                self._service.name, f"it cannot be started: {exc.strerror or exc}", slot=self.number
            ) from exc
        for membership in self._run.memberships_for(self._service.name):
            worker.send(membership)
        self._emit("spawned", worker)
        return worker

    async def _wait_ready(self, worker: Worker, before: asyncio.Event | None) -> None:
        """Wait until *worker* is ready; it is killed where it does not become so.

        Raises:
            StartError: It ended, or took too long.
        """
        limit_s = self._service.config.supervision.startup_timeout_s
        try:
            if before is not None:
                await _first_of(before, worker.ended, self._leaving)
            began = time.monotonic()
            async with asyncio.timeout(limit_s):
                await _first_of(worker.ready, worker.ended, self._leaving)
        except TimeoutError:
            await worker.kill(f"was not ready within {limit_s:g} s")
        except BaseException:
            await asyncio.shield(worker.kill("is not wanted any more"))
            raise
        if self._leaving.is_set():
            await worker.kill("is not wanted any more: its run, or its slot, is being stopped")
        if worker.ended.is_set():
            raise StartError(
                self._service.name, worker.describe_end(), slot=self.number, last_lines=worker.last_lines
            )
        self._emit("ready", worker, seconds=time.monotonic() - began)

    async def _keep_filled(self) -> None:
        """Replace the worker whenever it dies, until cancelled."""
        while True:
            worker = self.worker
            assert worker is not None, "the slot was filled before it is kept so"
            await worker.ended.wait()
            async with self._change:
                if self.worker is worker:
                    await self._replace_dead(worker)

    async def _replace_dead(self, worker: Worker) -> None:
        self._last_cause = worker.describe_end()
        self._emit("died", worker, detail=self._last_cause, last_lines=worker.last_lines)
        self.worker = await self._start_until_one_is(worker)
        with contextlib.suppress(StartError):  # the next round tells of its death
            await self._wait_ready(self.worker, None)
            self._changed()

    async def _start_until_one_is(self, dead: Worker) -> Worker:
        """Start a worker, again and again where the engine cannot, each time after the wait that is due."""
        ready_at = dead.ready_at
        while True:
            was_degraded = self._back_off.is_past_limit
            delay_s = self._back_off.record_death(time.monotonic(), ready_at=ready_at)
            if self._back_off.is_past_limit and not was_degraded:
                self._emit("degraded", dead, detail=f"{self._back_off.failures} failures in a row")
            self._emit("restarting", dead, seconds=delay_s)
            await asyncio.sleep(delay_s)
            try:
                return await self._start()
            except StartError as exc:
                logger.warning("%s", exc)
                self._last_cause, ready_at = exc.cause, None

    def _emit(
        self,
        kind: ServiceEventKind,
        worker: Worker,
        *,
        seconds: float | None = None,
        detail: str = "",
        last_lines: tuple[str, ...] = (),
    ) -> None:
        self._run.emit(
            ServiceEvent(
                kind=kind,
                service=self._service.name,
                slot=self.number,
                pid=worker.pid,
                seconds=seconds,
                detail=detail,
                last_lines=last_lines,
            )
        )


async def _first_of(*events: asyncio.Event) -> None:
    """Wait until one of them is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
