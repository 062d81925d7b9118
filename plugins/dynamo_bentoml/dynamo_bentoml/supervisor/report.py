"""What others may know of a run: the answer to ``status``, and the state file."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from dynamo_core.control import RunState, ServiceState, WorkerState, start_ticks
from dynamo_core.control.writing import write_to_its_end
from dynamo_core.provider import RunStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_bentoml.plan import RunPlan
    from dynamo_core.control import RunDirectory
    from dynamo_core.provider import ServiceStatus

logger = logging.getLogger(__name__)

PROVIDER: Final = "bentoml"


class RunReport:
    """Keeps the state file in step with the run.

    Args:
        plan: The run.
        directory: Its directory.
    """

    def __init__(self, plan: RunPlan, directory: RunDirectory) -> None:
        self._plan = plan
        self._directory = directory
        self._started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._ticks = start_ticks(os.getpid())
        self._is_due = asyncio.Event()

    def status(self, state: str, services: Sequence[ServiceStatus]) -> RunStatus:
        """How the run is doing.

        Args:
            state: One word for the whole run.
            services: Its services, dependencies first.
        """
        return RunStatus(
            graph=self._plan.graph,
            provider=PROVIDER,
            state=state,
            services=services,
            run_id=self._directory.run_id,
            started_at=self._started_at,
        )

    def changed(self) -> None:
        """The state file has to be written again."""
        self._is_due.set()

    async def keep_written(self, run: ReportedRun) -> None:
        """Write the state file whenever something has changed, until cancelled."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            state = self._state(run.current_status())
            with contextlib.suppress(ValueError):  # the directory has been closed
                await write_to_its_end(self._directory.fileno(), state)

    def _state(self, status: RunStatus) -> RunState:
        return RunState(
            run_id=status.run_id,
            provider=PROVIDER,
            graph=status.graph,
            target=str(self._plan.service(self._plan.entry).target),
            supervisor_pid=os.getpid(),
            supervisor_start_ticks=self._ticks,
            started_at=status.started_at,
            state=status.state,
            services=tuple(
                ServiceState(
                    name=service.name,
                    state=service.state,
                    http_url=service.http_url,
                    workers=tuple(WorkerState(**worker.to_data()) for worker in service.workers),  # type: ignore[arg-type]  # the same fields
                )
                for service in status.services
            ),
            control_socket=str(self._directory.control_socket_path),
        )


if TYPE_CHECKING:
    from typing import Protocol

    class ReportedRun(Protocol):
        """The run, as far as it is reported."""

        def current_status(self) -> RunStatus:
            """How it is doing now."""
