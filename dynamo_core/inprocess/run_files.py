"""The private directory of a served graph, and what other processes find in it; needs a POSIX system."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from dynamo_core.control import RunDirectory, sweep_dead_runs
from dynamo_core.control.reporting import RunCommands, StateReport
from dynamo_core.control.server import ControlServer
from dynamo_core.inprocess.slot_sockets import SlotSockets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from dynamo_core.inprocess.running import IngressMaker, InProcessServices
    from dynamo_core.provider import BoundGraph


class RunFiles:
    """State file, control socket and one socket per worker.

    Args:
        graph: What is served.
        directory: The run's directory, which the caller owns.

    Attributes:
        run_id: Id of the run.
        make_ingresses: Makes the way into a worker through its slot's socket.
    """

    run_id: str
    make_ingresses: IngressMaker

    def __init__(self, graph: BoundGraph, directory: RunDirectory) -> None:
        self.run_id = directory.run_id
        self.make_ingresses = SlotSockets(graph, directory).ingresses
        self._directory = directory
        self._target = str(graph.entry.definition.target)
        self._report: StateReport | None = None

    def changed(self) -> None:
        """Something that others may know has changed."""
        if self._report is not None:
            self._report.changed()

    def remove(self) -> None:
        """Delete everything at once; safe to call twice."""
        self._directory.remove()

    @contextlib.asynccontextmanager
    async def reachable(
        self, services: InProcessServices, request_stop: Callable[[], None]
    ) -> AsyncIterator[None]:
        """Take commands and keep the state file written while the block lasts.

        Args:
            services: The run.
            request_stop: Begins to end it.

        Raises:
            RunDirectoryError: The control socket cannot be made.
        """
        self._report = StateReport(services, self._directory, self._target)
        reporting = asyncio.ensure_future(self._report.keep_written())
        try:
            async with ControlServer(RunCommands(services, request_stop), self._directory):
                yield
        finally:
            reporting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reporting


@contextlib.contextmanager
def opened_files(graph: BoundGraph) -> Iterator[RunFiles]:
    """Make the directory of a run, and remove it in the end; what dead runs have left is removed first.

    Raises:
        RunDirectoryError: It cannot be made.
    """
    sweep_dead_runs()
    with RunDirectory.create() as directory:
        yield RunFiles(graph, directory)
