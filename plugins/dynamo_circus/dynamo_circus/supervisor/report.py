"""What others may know of a run: its state file and the answer to ``status``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from dynamo_core.control import RunDirectory, RunState, ServiceState, WorkerState, start_ticks
from dynamo_core.control.writing import write_to_its_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_circus.plan import RunPlan
    from dynamo_circus.supervisor.slots import Slot
    from dynamo_circus.supervisor.sockets import HttpSocket
    from dynamo_circus.supervisor.watcher import Watcher

logger = logging.getLogger(__name__)


class ReportedRun(Protocol):
    """The run, as far as it is reported."""

    plan: RunPlan
    directory: RunDirectory
    http_sockets: dict[str, HttpSocket]
    is_stopping: bool
    started_at: float

    @property
    def is_starting(self) -> bool:
        """Whether it has never been ready yet."""

    @property
    def watchers(self) -> Sequence[Watcher]:
        """Its watchers, dependencies first."""


class RunReport:
    """Keeps the state file of a run in step with it."""

    def __init__(self, run: ReportedRun) -> None:
        self._run = run
        self._ticks = start_ticks(os.getpid())
        self._is_due = asyncio.Event()

    def changed(self) -> None:
        """Something others may know has changed."""
        self._is_due.set()

    async def keep_written(self) -> None:
        """Write the state file whenever something has changed, until cancelled."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            with contextlib.suppress(ValueError):  # the directory has been closed
                await write_to_its_end(self._run.directory.fileno(), self.state())

    def state(self) -> RunState:
        """The run as it is now."""
        run = self._run
        services = tuple(self._service_state(watcher) for watcher in run.watchers)
        return RunState(
            run_id=run.directory.run_id,
            provider="circus",
            graph=run.plan.graph,
            target=str(run.plan.service(run.plan.entry).target),
            supervisor_pid=os.getpid(),
            supervisor_start_ticks=self._ticks,
            started_at=datetime.fromtimestamp(run.started_at, UTC).isoformat(timespec="milliseconds"),
            state=self._run_state(services),
            services=services,
            control_socket=str(run.directory.control_socket_path),
        )

    def _run_state(self, services: tuple[ServiceState, ...]) -> str:
        if self._run.is_stopping:
            return "stopping"
        if self._run.is_starting:
            return "starting"
        states = {service.state for service in services}
        return next((state for state in ("failed", "degraded") if state in states), "ready")

    def _service_state(self, watcher: Watcher) -> ServiceState:
        http = self._run.http_sockets.get(watcher.name)
        return ServiceState(
            name=watcher.name,
            workers=tuple(_worker_state(slot, is_stopped=watcher.is_stopped()) for slot in watcher.slots),
            state=service_state(watcher),
            http_url=None if http is None else http.url,
        )


def service_state(watcher: Watcher) -> str:
    """One word for the state of a service."""
    if watcher.is_stopping() or watcher.is_stopped():
        return "stopping" if watcher.is_stopping() else "stopped"
    if not watcher.slots:
        return "stopped"
    if watcher.is_failed:
        return "failed"
    if any(slot.limit is not None for slot in watcher.slots):
        return "degraded"
    return "ready" if watcher.has_ready_slot else "starting"


def _worker_state(slot: Slot, *, is_stopped: bool) -> WorkerState:
    return WorkerState(
        slot=slot.index,
        pid=None if slot.process is None else slot.process.pid,
        state="stopped" if is_stopped and slot.process is None else slot.state,
        path=str(slot.socket.path),
        generation=slot.generation,
        restarts=slot.restarts,
        last_cause=slot.last_end,
    )
