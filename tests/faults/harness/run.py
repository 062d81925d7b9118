"""A run under test, beside the process of the case: events with their times, pids, and what its supervisor holds."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from dynamo_core.control.client import ControlClient
from harness.load import Load
from harness.processes import Found, Usage, find_processes, usage

if TYPE_CHECKING:
    from pathlib import Path

    from dynamo_circus import ArbiterHandle
    from dynamo_core.provider import LogLine, ServiceEvent, WorkerStatus
    from harness.ledgers import ClientLedger

PATIENCE_S = 30.0


class Events:
    """What was heard of a run, and when (``time.monotonic()``)."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, ServiceEvent]] = []
        self._changed = asyncio.Event()

    def hear(self, event: ServiceEvent) -> None:
        """Take down one event."""
        self.heard.append((time.monotonic(), event))
        self._changed.set()

    def find(
        self, kind: str, service: str | None = None, slot: int | None = None, *, after: float = 0.0
    ) -> list[tuple[float, ServiceEvent]]:
        """Events of a kind, oldest first."""
        return [
            (when, event)
            for when, event in self.heard
            if event.kind == kind
            and when >= after
            and service in {None, event.service}
            and slot in {None, event.slot}
        ]

    async def wait(
        self,
        kind: str,
        service: str | None = None,
        slot: int | None = None,
        *,
        after: float = 0.0,
        timeout_s: float = PATIENCE_S,
    ) -> tuple[float, ServiceEvent]:
        """The first event of a kind at or after a time; waits for it."""
        async with asyncio.timeout(timeout_s):
            while not (found := self.find(kind, service, slot, after=after)):
                self._changed.clear()
                await self._changed.wait()
        return found[0]


class Run:
    """A running graph.

    Args:
        arbiter: Its handle.
        folder: Where its directory is.
        events: What is heard of it.
        ledger: Takes down calls to it.

    Attributes:
        arbiter: Its handle.
        events: What was heard of it.
        supervisor_pid: Its supervisor.
        run_id: Its id.
        at_start: What the supervisor held once the run was ready.
    """

    def __init__(self, arbiter: ArbiterHandle, folder: Path, events: Events, ledger: ClientLedger) -> None:
        self.arbiter = arbiter
        self.events = events
        self.supervisor_pid = arbiter.pid
        self.run_id = arbiter.run_id
        self.at_start: Usage = usage(arbiter.pid)
        self._ledger = ledger
        self._control = (folder / arbiter.run_id / "control.sock", arbiter.run_id)

    def client(self, service: str) -> Any:
        """A client of one service."""
        return self.arbiter.client(service)

    def load(self, service: str, **knobs: Any) -> Load:
        """Load on a service, for as long as the block lasts; see :class:`Load` for the knobs."""
        return Load(self._ledger, self.client(service), service, **knobs)

    async def workers(self, service: str) -> tuple[WorkerStatus, ...]:
        """How a service's workers are doing now, by slot."""
        return (await self.arbiter.stats(service)).workers

    async def pids(self, service: str) -> list[int]:
        """Processes of a service's workers, by slot; 0 where there is none."""
        return [worker.pid or 0 for worker in await self.workers(service)]

    async def log_lines(self, service: str) -> list[LogLine]:
        """What a service's workers have written so far."""
        path, run_id = self._control
        lines = []
        async with ControlClient(path, run_id) as control:
            async for line in control.logs(service, follow=False):
                lines.append(line)
        return lines

    def boot_s(self, service: str) -> float:
        """Seconds that the slowest worker took to be ready when the run began."""
        return max(event.seconds or 0.0 for _, event in self.events.find("ready", service))

    def http_port(self, service: str) -> int:
        """The TCP port of a service that has routes."""
        _, event = self.events.find("listening", service)[0]
        return int(str(event.url).rsplit(":", 1)[1])

    def processes(self) -> list[Found]:
        """Everything that belongs to the run, its supervisor and guardian included."""
        marked = {each.pid: each for each in find_processes(self.run_id)}
        return list(marked.values())

    async def until_ready(self, service: str, slot: int, pid: int) -> None:
        """Wait until a slot has another worker than *pid*, and that is ready."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                worker = (await self.workers(service))[slot]
                if worker.state == "ready" and worker.pid != pid:
                    return
                await asyncio.sleep(0.01)
