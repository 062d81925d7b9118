"""What may be asked of a run over its control socket: a fixed list, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from dynamo_circus.supervisor import changes
from dynamo_core.errors import ServiceFailedError, ServiceNotFoundError
from dynamo_core.provider import RunStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dynamo_circus.supervisor.supervisor import Supervisor
    from dynamo_circus.supervisor.watcher import Watcher
    from dynamo_core.provider import LogLine


class RunCommands:
    """The run, as the control socket reaches it."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    async def status(self) -> RunStatus:
        """How every service and worker is doing now."""
        return RunStatus.from_data(self._supervisor.report.state().to_data())

    async def wait_ready(self, timeout_s: float | None, /) -> None:
        """Wait until every service has all its workers ready.

        Raises:
            TimeoutError: *timeout_s* passed.
            ServiceFailedError: A service is given up.
        """
        async with asyncio.timeout(timeout_s):
            while not all(watcher.is_ready for watcher in self._supervisor.watchers):
                for watcher in self._supervisor.watchers:
                    _refuse_given_up(watcher)
                await self._supervisor.changed.wait()

    async def scale(self, service: str, workers: int, reason: str | None, /) -> None:
        """Bring a service to that many workers.

        Raises:
            ServiceNotFoundError: The run has no such service.
            ServiceFailedError: A new worker did not start; the service is as it was.
        """
        watcher = self._watcher(service)
        self._supervisor.say(service, f"scaled to {workers} workers", reason)
        await changes.scale(watcher, workers)

    async def restart(self, service: str, reason: str | None, /) -> None:
        """Replace a service's workers one after another.

        Raises:
            ServiceNotFoundError: The run has no such service.
            ServiceFailedError: A new worker did not start; the old one goes on.
        """
        watcher = self._watcher(service)
        self._supervisor.say(service, "restarted, one worker after another", reason)
        await changes.restart(watcher)

    async def stop(self, reason: str | None, /) -> None:
        """Ask the run to stop; returns at once."""
        self._supervisor.request_stop(reason or "asked over the control socket")

    async def logs(self, service: str | None, /, *, follow: bool) -> AsyncIterator[LogLine]:
        """Lines that workers wrote; new ones too, until the run ends, if *follow* says so.

        Raises:
            ServiceNotFoundError: The run has no such service.
        """
        if service is not None:
            self._watcher(service)
        async with contextlib.aclosing(self._supervisor.log.book.read(service, follow=follow)) as lines:
            async for line in lines:
                yield line

    def _watcher(self, name: str) -> Watcher:
        for watcher in self._supervisor.watchers:
            if watcher.name == name:
                return watcher
        raise ServiceNotFoundError(name, known=[watcher.name for watcher in self._supervisor.watchers])


def _refuse_given_up(watcher: Watcher) -> None:
    for slot in watcher.slots:
        if slot.is_given_up:
            raise ServiceFailedError(watcher.name, slot.last_end, slot=slot.index, last_lines=slot.last_lines)
