"""What may be asked of a run over its control socket: a fixed list, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from dynamo_bentoml.supervisor import changes
from dynamo_core.errors import ServiceFailedError, ServiceNotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dynamo_bentoml.supervisor.group import ServiceGroup
    from dynamo_bentoml.supervisor.supervisor import Supervisor
    from dynamo_core.provider import LogLine, RunStatus


class RunCommands:
    """The run, as the control socket reaches it."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    async def status(self) -> RunStatus:
        """How every service and worker is doing now."""
        return self._supervisor.current_status()

    async def wait_ready(self, timeout_s: float | None, /) -> None:
        """Wait until every service has all its workers ready.

        Raises:
            TimeoutError: *timeout_s* passed.
            ServiceFailedError: A service was given up.
        """
        supervisor = self._supervisor
        async with asyncio.timeout(timeout_s):
            while not supervisor.is_ready:
                for group in supervisor.groups:
                    _refuse_given_up(group)
                await supervisor.next_change()

    async def scale(self, service: str, workers: int, reason: str | None, /) -> None:
        """Bring a service to that many workers.

        Raises:
            ServiceNotFoundError: The run has no such service.
            ServiceFailedError: A new worker did not become ready.
        """
        group = self._group(service)
        self._supervisor.say(service, f"scaled to {workers} workers", reason)
        await changes.scale(group, workers)

    async def restart(self, service: str, reason: str | None, /) -> None:
        """Replace a service's workers, one after another.

        Raises:
            ServiceNotFoundError: The run has no such service.
            ServiceFailedError: A new worker did not become ready.
        """
        group = self._group(service)
        self._supervisor.say(service, "restarted, one worker after another", reason)
        await changes.restart(group)

    async def stop(self, reason: str | None, /) -> None:
        """Begin to end the run; returns at once."""
        self._supervisor.request_stop(reason or "asked over the control socket")

    async def logs(self, service: str | None, /, *, follow: bool) -> AsyncIterator[LogLine]:
        """Lines that workers wrote; new ones too, until the run ends, if *follow* says so.

        Raises:
            ServiceNotFoundError: The run has no such service.
        """
        if service is not None:
            self._group(service)
        async with contextlib.aclosing(self._supervisor.log.book.read(service, follow=follow)) as lines:
            async for line in lines:
                yield line

    def _group(self, name: str) -> ServiceGroup:
        for group in self._supervisor.groups:
            if group.name == name:
                return group
        raise ServiceNotFoundError(name, known=[group.name for group in self._supervisor.groups])


def _refuse_given_up(group: ServiceGroup) -> None:
    for slot in group.slots:
        if slot.is_given_up:
            raise ServiceFailedError(group.name, slot.last_cause, slot=slot.index, last_lines=slot.last_lines)
