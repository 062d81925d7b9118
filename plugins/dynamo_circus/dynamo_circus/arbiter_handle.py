"""The handle to a run's arbiter, for the program that started the run.

The arbiter itself lives in the supervisor's process; what is asked of it goes over the run's control socket.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, overload

from dynamo_core.client import make_client
from dynamo_core.control.client import ControlClient
from dynamo_core.errors import ServiceUnavailableError
from dynamo_core.provider import LogLine, RunningServices, RunStatus, ServiceStatus
from dynamo_core.transport import SlotChannel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from dynamo_circus.supervisor_process import SupervisorProcess
    from dynamo_core.provider import BoundGraph
    from dynamo_core.transport import Member

T = TypeVar("T")


class ArbiterHandle(RunningServices):
    """A running arbiter and its watchers, one per service.

    Beside the members of every run it speaks Circus's words: watchers, numprocesses, sockets, stats.

    Args:
        graph: What runs.
        supervisor: Its supervisor's process.
        run_id: Its id.
        control_path: Its control socket.
    """

    def __init__(
        self, graph: BoundGraph, supervisor: SupervisorProcess, run_id: str, control_path: Path
    ) -> None:
        self.run_id = run_id
        self._graph = graph
        self._supervisor = supervisor
        self._control = ControlClient(control_path, run_id)
        self._loop = asyncio.get_running_loop()
        self._channels: dict[str, SlotChannel] = {}
        self._clients: dict[str, object] = {}
        self._is_closed = False

    # --- every run -----------------------------------------------------------------------------------------

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
        await self._supervisor.stop(patience_s=self.patience_s, reason=reason or "the program asked")

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
        self.members_changed(service, *self._supervisor.members.get(service, ((), "")))

    # --- Circus's words ------------------------------------------------------------------------------------

    async def watchers(self) -> list[str]:
        """Names of the watchers, which are those of the services, dependencies first."""
        return [service.name for service in (await self.status()).services]

    async def numprocesses(self, watcher: str) -> int:
        """How many workers a watcher keeps running.

        Raises:
            ServiceNotFoundError: There is no such watcher.
        """
        return len((await self._service(watcher)).workers)

    async def sockets(self) -> dict[str, list[str]]:
        """Paths of every service's slot sockets, by service and slot."""
        services = (await self.status()).services
        return {each.name: [worker.path or "" for worker in each.workers] for each in services}

    async def stats(self, watcher: str) -> ServiceStatus:
        """How one watcher's workers are doing.

        Raises:
            ServiceNotFoundError: There is no such watcher.
        """
        return await self._service(watcher)

    async def _service(self, name: str) -> ServiceStatus:
        self._graph.find_service(name)
        found = (await self.status()).find_service(name)
        assert found is not None, "the run has every service of its graph"
        return found

    # --- the run's own -------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return self._supervisor.pid

    @property
    def patience_s(self) -> float:
        """Seconds that all services, one after another, may take to stop."""
        return sum(service.config.supervision.stop_timeout_s for service in self._graph.services)

    def members_changed(self, service: str, members: Sequence[Member], refusal: str) -> None:
        """Take in where a service's workers are now, or why there are none."""
        channel = self._channels.get(service)
        if channel is not None:
            channel.set_members(members, refusal)

    async def aclose(self) -> None:
        """Close every client; the run goes on or has ended."""
        self._is_closed = True
        for channel in self._channels.values():
            await channel.aclose()
        await self._control.aclose()

    def __repr__(self) -> str:
        return f"<ArbiterHandle of run {self.run_id}: {self._graph.name!r}>"
