"""What may be asked of a run over its control socket: a fixed list, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from dynamo_circus.supervisor import changes
from dynamo_core.errors import DynamoError, ServiceFailedError, ServiceNotFoundError
from dynamo_core.provider import RunStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

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
            DynamoError: The run is being stopped.
        """
        async with asyncio.timeout(timeout_s):
            await self._unless_stopped("not everything is ready", self._wait_ready())

    async def _wait_ready(self) -> None:
        while not all(watcher.is_ready for watcher in self._supervisor.watchers):
            for watcher in self._supervisor.watchers:
                _refuse_given_up(watcher)
            await self._supervisor.changed.wait()

    async def scale(self, service: str, workers: int, reason: str | None, /) -> None:
        """Bring a service to that many workers.

        Raises:
            ServiceNotFoundError: The run has no such service.
            ServiceFailedError: A new worker did not start; the service is as it was.
            DynamoError: The run is being stopped.
        """
        what = f"scaled to {workers} worker{'' if workers == 1 else 's'}"
        await self._change(service, what, changes.scale(self._watcher(service), workers), reason)

    async def restart(self, service: str, reason: str | None, /) -> None:
        """Replace a service's workers one after another.

        Raises:
            ServiceNotFoundError: The run has no such service.
            ServiceFailedError: A new worker did not start; the old one goes on.
            DynamoError: The run is being stopped.
        """
        what = "restarted, one worker after another"
        await self._change(service, what, changes.restart(self._watcher(service)), reason)

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

    async def _change(
        self, service: str, what: str, work: Coroutine[Any, Any, None], reason: str | None
    ) -> None:
        """Change a service, and let everybody know of it, and of its failure."""
        verb = what.split(maxsplit=1)[0].rstrip(",")
        otherwise = f"{service} is not {verb}"
        self._refuse_stopped(otherwise, work)
        self._supervisor.say(service, what, reason)
        try:
            await self._unless_stopped(otherwise, work)
        except asyncio.CancelledError:
            self._supervisor.say(service, f"not {verb} to the end: whoever asked has gone", None)
            raise
        except DynamoError as error:
            self._supervisor.say(service, f"not {verb}: {str(error).splitlines()[0]}", None)
            raise

    def _refuse_stopped(self, otherwise: str, work: Coroutine[Any, Any, None]) -> None:
        if self._supervisor.stop_requested.is_set():
            work.close()
            raise DynamoError(f"{otherwise}: the run is being stopped")

    async def _unless_stopped(self, otherwise: str, work: Coroutine[Any, Any, None]) -> None:
        """Do *work*, and end it when the run is being stopped: it might wait for what will never come."""
        self._refuse_stopped(otherwise, work)
        doing = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._supervisor.stop_requested.wait())
        try:
            await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                raise DynamoError(f"{otherwise}: the run is being stopped")
            doing.result()
        finally:
            doing.cancel()
            stopping.cancel()
            await asyncio.wait({doing, stopping})

    def _watcher(self, name: str) -> Watcher:
        for watcher in self._supervisor.watchers:
            if watcher.name == name:
                return watcher
        raise ServiceNotFoundError(name, known=[watcher.name for watcher in self._supervisor.watchers])


def _refuse_given_up(watcher: Watcher) -> None:
    if watcher.stop_reason:
        raise ServiceFailedError(watcher.name, watcher.stop_reason)
    for slot in watcher.slots:
        if slot.is_given_up:
            raise ServiceFailedError(watcher.name, slot.last_end, slot=slot.index, last_lines=slot.last_lines)
