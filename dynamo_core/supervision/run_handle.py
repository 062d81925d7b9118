"""The handle to a run that is supervised somewhere else, for the program that started it.

The supervisor is a process or a thread of its own, so that workers are looked after whatever the program's event loop
is doing; what is asked of the run goes over its control socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from dynamo_core.control.client import ControlClient
from dynamo_core.provider.interfaces import RunningServices
from dynamo_core.supervision.run_clients import RunClients

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from dynamo_core.provider.bound import BoundGraph
    from dynamo_core.provider.status import LogLine, RunStatus
    from dynamo_core.transport import Member

T = TypeVar("T")


class RunHandle(RunningServices):
    """A running graph; whoever derives from it says how it is stopped.

    Args:
        graph: What runs.
        run_id: Its id.
        control_path: Its control socket.
        members_of: Where a service's workers are now, and why there are none.
    """

    def __init__(
        self,
        graph: BoundGraph,
        run_id: str,
        control_path: Path,
        members_of: Callable[[str], tuple[Sequence[Member], str]],
    ) -> None:
        self.run_id = run_id
        self._graph = graph
        self._control = ControlClient(control_path, run_id)
        self._run_clients = RunClients(graph, run_id, members_of)

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
        return self._run_clients.find(service)

    def members_changed(self, service: str, members: Sequence[Member], refusal: str = "") -> None:
        """Take in where a service's workers are now, or why there are none."""
        self._run_clients.members_changed(service, members, refusal)

    async def aclose(self) -> None:
        """Close every client; the run goes on or has ended."""
        await self._run_clients.aclose()
        await self._control.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of run {self.run_id}: {self._graph.name!r}>"
