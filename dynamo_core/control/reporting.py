"""What other processes may know of a served graph, and ask of it: state file and control socket."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any

from dynamo_core.control.state import RunState, start_ticks
from dynamo_core.control.writing import write_to_its_end

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dynamo_core.control import RunDirectory
    from dynamo_core.provider import LogLine, RunningServices, RunStatus

logger = logging.getLogger(__name__)


class StateReport:
    """Keeps the state file of a run in step with it.

    Args:
        services: The run.
        directory: Its directory, which the caller owns.
        target: What is served, as text that names the graph.
    """

    def __init__(self, services: RunningServices, directory: RunDirectory, target: str) -> None:
        self._services = services
        self._directory = directory
        self._target = target
        self._ticks = start_ticks(os.getpid())
        self._is_due = asyncio.Event()
        self._is_due.set()

    def changed(self) -> None:
        """Something that others may know has changed."""
        self._is_due.set()

    async def keep_written(self) -> None:
        """Write the file now and after every change, until cancelled."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            state = self._state(await self._services.status())
            await write_to_its_end(self._directory.fileno(), state)

    def _state(self, status: RunStatus) -> RunState:
        data: dict[str, Any] = status.to_data()  # the fields of a run's status are those of its state
        return RunState.from_data(
            {
                **data,
                "format": RunState.__attrs_attrs__.format.default,
                "target": self._target,
                "supervisor_pid": os.getpid(),
                "supervisor_start_ticks": self._ticks,
                "control_socket": str(self._directory.control_socket_path),
            }
        )


class RunCommands:
    """The run, as the control socket reaches it.

    Args:
        services: The run.
        request_stop: Begins to end it.
    """

    def __init__(self, services: RunningServices, request_stop: Callable[[], None]) -> None:
        self._services = services
        self._request_stop = request_stop

    async def status(self) -> RunStatus:
        """How every service and worker is doing now."""
        return await self._services.status()

    async def wait_ready(self, timeout_s: float | None, /) -> None:
        """Wait until every service has all its workers ready."""
        await self._services.wait_ready(timeout_s)

    async def scale(self, service: str, workers: int, reason: str | None, /) -> None:
        """Bring a service to that many workers."""
        await self._services.scale(service, workers, reason=reason)

    async def restart(self, service: str, reason: str | None, /) -> None:
        """Replace every worker of a service."""
        await self._services.restart(service, reason=reason)

    async def stop(self, reason: str | None, /) -> None:
        """Begin to end the run."""
        logger.info("asked to stop over the control socket: %s", reason or "no reason given")
        self._request_stop()

    async def logs(self, service: str | None, /, *, follow: bool) -> AsyncIterator[LogLine]:
        """Lines as the run gives them; *follow* is for runs that keep some, which override this."""
        async for line in self._services.logs(service):
            yield line
