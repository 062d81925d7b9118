"""The handle to a run, for the program that started it.

The supervisor lives on a thread of its own, so that workers are looked after whatever the program's event loop is
doing; what is asked of it goes over the run's control socket.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, overload

from dynamo_core.client import make_client
from dynamo_core.control.client import ControlClient
from dynamo_core.errors import ServiceUnavailableError
from dynamo_core.provider import LogLine, RunningServices, RunStatus
from dynamo_core.transport import SlotChannel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from dynamo_bentoml.supervisor_thread import SupervisorThread
    from dynamo_core.provider import BoundGraph
    from dynamo_core.transport import Member

T = TypeVar("T")


class BentoMLRun(RunningServices):
    """A running graph of BentoML services.

    Args:
        graph: What runs.
        supervisor: Runs it.
        run_id: The run's id.
        control_path: Its control socket.
    """

    def __init__(
        self, graph: BoundGraph, supervisor: SupervisorThread, run_id: str, control_path: Path
    ) -> None:
        self.run_id = run_id
        self._graph = graph
        self._supervisor = supervisor
        self._control = ControlClient(control_path, run_id)
        self._loop = asyncio.get_running_loop()
        self._channels: dict[str, SlotChannel] = {}
        self._clients: dict[str, object] = {}
        self._is_closed = False

    async def status(self) -> RunStatus:
        """How every service and worker is doing now."""
        return await self._control.status()

    async def wait_ready(self, timeout_s: float | None = None) -> None:
        """Wait until every service has all its workers ready.

        Raises:
            TimeoutError: *timeout_s* passed.
            ServiceFailedError: A service was given up meanwhile.
        """
        await self._control.wait_ready(timeout_s)

    async def scale(self, service: str, workers: int, *, reason: str | None = None) -> None:
        """Bring a service to that many workers; see ``RunningServices.scale``."""
        self._graph.find_service(service)
        if workers < 0:
            raise ValueError(f"workers must be >= 0, got {workers}")
        await self._control.scale(service, workers, reason=reason)

    async def restart(self, service: str, *, reason: str | None = None) -> None:
        """Replace a service's workers one after another; see ``RunningServices.restart``."""
        self._graph.find_service(service)
        await self._control.restart(service, reason=reason)

    async def stop(self, *, reason: str | None = None) -> None:
        """End the run; leaving the block does it too."""
        await self._supervisor.stop(reason or "the program asked")

    async def logs(self, service: str | None = None) -> AsyncIterator[LogLine]:
        """Lines that workers wrote: those kept, then new ones until the run ends or the iterator is closed."""
        if service is not None:
            self._graph.find_service(service)
        async for line in self._control.logs(service):
            yield line

    @overload
    def client(self, service: type[T]) -> T: ...
    @overload
    def client(self, service: str) -> Any: ...
    def client(self, service: type[Any] | str) -> Any:
        """A client for one service of the run; the same one when asked again.

        Raises:
            ServiceNotFoundError: The run has no such service.
            ServiceUnavailableError: The run has ended.
        """
        found = self._graph.find_service(service)
        if self._is_closed:
            raise ServiceUnavailableError(found.name, "its run has ended")
        if found.name not in self._clients:
            channel = SlotChannel(found.name, run_id=self.run_id)
            self._channels[found.name] = channel
            self._loop.call_soon_threadsafe(self._tell_members, found.name)
            self._clients[found.name] = make_client(found.inner, found.definition, channel, self._loop)
        return self._clients[found.name]

    def _tell_members(self, service: str) -> None:
        """Let a channel know what is known by now: that may be more than when it was asked for."""
        self.members_changed(service, self._supervisor.members.get(service, ()))

    def members_changed(self, service: str, members: Sequence[Member]) -> None:
        """Take in where a service's workers are now; on the program's loop."""
        channel = self._channels.get(service)
        if channel is not None:
            channel.set_members(members)

    async def aclose(self) -> None:
        """Close every client; the run goes on or has ended."""
        self._is_closed = True
        for channel in self._channels.values():
            await channel.aclose()
        await self._control.aclose()

    def __repr__(self) -> str:
        return f"<BentoMLRun {self.run_id}: {self._graph.name!r}>"
