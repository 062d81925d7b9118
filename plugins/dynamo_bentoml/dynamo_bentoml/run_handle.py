"""The handle to a run, for the program that started it; the supervisor lives on a thread of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.supervision.run_handle import RunHandle

if TYPE_CHECKING:
    from pathlib import Path

    from dynamo_bentoml.supervisor_thread import SupervisorThread
    from dynamo_core.provider import BoundGraph


class BentoMLRun(RunHandle):
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
        super().__init__(
            graph, run_id, control_path, lambda service: (supervisor.members.get(service, ()), "")
        )
        self._supervisor = supervisor

    async def stop(self, *, reason: str | None = None) -> None:
        """End the run; leaving the block does it too."""
        await self._supervisor.stop(reason or "the program asked")
