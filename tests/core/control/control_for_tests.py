"""A run that does what it is told, and remembers it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from dynamo_core.errors import ServiceNotFoundError
from dynamo_core.provider import LogLine, RunStatus, ServiceStatus, WorkerStatus


class ObedientRun:
    """Answers at once.

    Attributes:
        asked: What it was told, in order.
        failure: Raised by whatever is asked next.
        lines: What its workers wrote.
        has_stopped: Set once it is told to stop.
        no_more_lines: Set to end what is followed.
        closed_logs: How many readers of its lines have gone.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.failure: Exception | None = None
        self.lines = [LogLine(service="Backend", slot=slot, text=f"line {slot}") for slot in range(3)]
        self.has_stopped = asyncio.Event()
        self.no_more_lines = asyncio.Event()
        self.closed_logs = 0

    def _hear(self, *asked: Any) -> None:
        self.asked.append(asked)
        if self.failure is not None:
            raise self.failure

    async def status(self) -> RunStatus:
        self._hear("status")
        worker = WorkerStatus(slot=0, pid=17, state="ready", path="/run/w0-0.sock", generation=2)
        services = (ServiceStatus(name="Backend", state="ready", workers=(worker,)),)
        return RunStatus(graph="Frontend", provider="obedient", state="ready", services=services)

    async def wait_ready(self, timeout_s: float | None, /) -> None:
        self._hear("wait_ready", timeout_s)

    async def scale(self, service: str, workers: int, reason: str | None, /) -> None:
        self._hear("scale", service, workers, reason)
        if service != "Backend":
            raise ServiceNotFoundError(service, known=["Backend"])

    async def restart(self, service: str, reason: str | None, /) -> None:
        self._hear("restart", service, reason)

    async def stop(self, reason: str | None, /) -> None:
        self._hear("stop", reason)
        self.has_stopped.set()

    async def logs(self, service: str | None, /, *, follow: bool) -> AsyncIterator[LogLine]:
        self._hear("logs", service, follow)
        try:
            for line in self.lines:
                if service in {None, line.service}:
                    yield line
            if follow:
                await self.no_more_lines.wait()
        finally:
            self.closed_logs += 1
