"""``dynamo serve`` as a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynamo_core.client import make_client
from dynamo_core.control import FoundRun, list_runs
from dynamo_core.control.client import ControlClient
from dynamo_core.transport import Member, SlotChannel
from harness.load import Load
from harness.processes import is_alive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_core.graph import ServiceGraph
    from dynamo_core.provider import RunStatus, ServiceStatus
    from harness.ledgers import ClientLedger

PATIENCE_S = 30.0


def serve_words(target: str, arguments: Sequence[str]) -> list[str]:
    """The command line that serves a graph."""
    return [sys.executable, "-m", "dynamo_core", "serve", target, "--provider", "circus", *arguments]


class Served:
    """A graph that ``dynamo serve`` runs.

    Args:
        graph: What it runs, as this process knows it.
        words: The command line.
        folder: Where runs have their directories.
        output: File that it writes to.
        ledger: Takes down calls to it.

    Attributes:
        process: The supervisor.
        began: When it was started.
    """

    def __init__(
        self, graph: ServiceGraph, words: list[str], folder: Path, output: Path, ledger: ClientLedger
    ) -> None:
        self.began = time.monotonic()
        self._graph = graph
        self._folder = folder
        self._output = output
        self._ledger = ledger
        self._channels: list[SlotChannel] = []
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """The supervisor's process."""
        return self.process.pid

    @property
    def output(self) -> str:
        """What it and its workers have written so far."""
        return self._output.read_text(errors="replace")

    # --- its run -------------------------------------------------------------------------------------------

    def find_run(self) -> FoundRun | None:
        """Its run; None before there is one, and after."""
        runs = list_runs(self._folder)
        return next((run for run in runs if run.state and run.state.supervisor_pid == self.pid), None)

    async def wait_run(self) -> FoundRun:
        """Wait until its run can be seen: signals are heeded from before that on."""
        async with asyncio.timeout(PATIENCE_S):
            while (run := self.find_run()) is None:
                self.check_alive()
                await asyncio.sleep(0.003)
        return run

    async def wait_ready(self) -> RunStatus:
        """Wait until everything is ready."""
        run = await self.wait_run()
        async with ControlClient(run.control_socket_path, run.run_id) as control:
            await control.wait_ready(PATIENCE_S)
            return await control.status()

    async def wait_output(self, words: str) -> None:
        """Wait until it has written *words*."""
        async with asyncio.timeout(PATIENCE_S):
            while words not in self.output:
                self.check_alive()
                await asyncio.sleep(0.003)

    def check_alive(self) -> None:
        """Raise what it has written, if it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"dynamo serve ended with status {self.process.returncode}: {self.output}")

    async def control(self) -> ControlClient:
        """Its control socket; close it in the end."""
        run = await self.wait_run()
        return ControlClient(run.control_socket_path, run.run_id)

    async def status(self, service: str) -> ServiceStatus:
        """How a service is doing now."""
        async with await self.control() as control:
            found = (await control.status()).find_service(service)
        assert found is not None
        return found

    async def client(self, service: str) -> Any:
        """A client of one service, for the workers that it has now."""
        run = await self.wait_run()
        workers = (await self.status(service)).workers
        channel = SlotChannel(service, run_id=run.run_id)
        channel.set_members(
            [Member(slot=each.slot, path=str(each.path), generation=each.generation) for each in workers]
        )
        self._channels.append(channel)
        definition = self._graph.find_service(service)
        return make_client(definition.inner, definition, channel, asyncio.get_running_loop())

    async def load(self, service: str, **knobs: Any) -> Load:
        """Load on a service; see :class:`Load`."""
        return Load(self._ledger, await self.client(service), service, **knobs)

    # --- its end -------------------------------------------------------------------------------------------

    def signal(self, number: int) -> float:
        """Send a signal to the supervisor; when that was."""
        when = time.monotonic()
        self.process.send_signal(number)
        return when

    async def wait_exit(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        async with asyncio.timeout(timeout_s):
            while self.process.poll() is None:
                await asyncio.sleep(0.003)
        return self.process.returncode

    async def aclose(self) -> None:
        """Stop it if it still runs, and close the clients."""
        for channel in self._channels:
            await channel.aclose()
        if self.process.poll() is None and is_alive(self.pid):
            self.signal(signal.SIGTERM)
            try:
                await self.wait_exit()
            except TimeoutError:
                os.kill(self.pid, signal.SIGKILL)
                await self.wait_exit()
                raise
