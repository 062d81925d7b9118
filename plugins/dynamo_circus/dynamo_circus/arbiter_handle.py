"""The handle to a run's arbiter, for the program that started the run.

The arbiter itself lives in the supervisor's process; what is asked of it goes over the run's control socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.supervision.run_handle import RunHandle

if TYPE_CHECKING:
    from pathlib import Path

    from dynamo_circus.supervisor_process import SupervisorProcess
    from dynamo_core.provider import BoundGraph, ServiceStatus


class ArbiterHandle(RunHandle):
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
        super().__init__(
            graph, run_id, control_path, lambda service: supervisor.members.get(service, ((), ""))
        )
        self._supervisor = supervisor

    async def stop(self, *, reason: str | None = None) -> None:
        """End the run; leaving the block does it too."""
        await self._supervisor.stop(patience_s=self.patience_s, reason=reason or "the program asked")

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
        """Seconds that the run may take to stop."""
        return max(service.config.supervision.stop_timeout_s for service in self._graph.services)
