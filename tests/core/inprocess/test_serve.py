"""A graph served by a process of its own: how others reach it, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from dynamo_core.client import make_client
from dynamo_core.control import list_runs
from dynamo_core.control.client import ControlClient
from dynamo_core.errors import EXIT_NOT_STARTED, EXIT_OK, UnsupportedOperationError
from dynamo_core.graph import collect
from dynamo_core.transport import Member, SlotChannel

from ...folders_for_tests import everything_in
from .served_graph import Back

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from dynamo_core.control import RunState

GRAPH = Path(__file__).with_name("served_graph.py")
SERVE = Path(__file__).with_name("serve_for_tests.py")
WAIT_S = 20.0


class Served:
    """A process that serves the graph of a service."""

    def __init__(self, folder: Path, service: str, **environ: str) -> None:
        self.folder = folder
        self.log = folder / "output"
        runs = folder / "runs"
        runs.mkdir(mode=0o700)
        self.environ = {**os.environ, "DYNAMO_RUNTIME_DIR": str(runs)}
        command = [sys.executable, str(SERVE), f"{GRAPH}:{service}"]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                command, env={**self.environ, **environ}, stdout=output, stderr=subprocess.STDOUT
            )

    def wait_for(self, text: str) -> None:
        """Wait until the process has written *text*."""
        give_up = time.monotonic() + WAIT_S
        while text not in self.output:
            if self.process.poll() is not None or time.monotonic() > give_up:
                raise AssertionError(f"{text!r} was not written: {self.output}")
            time.sleep(0.01)

    @property
    def output(self) -> str:
        return self.log.read_text("utf-8")

    def state(self) -> RunState:
        """The run's state file, once it says that the run is ready."""
        give_up = time.monotonic() + WAIT_S
        while True:
            (found,) = list_runs(environ=self.environ)
            if found.state is not None and found.state.state == "ready":
                return found.state
            if time.monotonic() > give_up:
                raise AssertionError(f"the run did not become ready: {found}")
            time.sleep(0.01)

    def end(self) -> int:
        """Wait for the end; the exit status."""
        return self.process.wait(WAIT_S)

    @property
    def leftovers(self) -> list[Path]:
        return everything_in(self.folder / "runs")


@pytest.fixture
def served(folder: Path) -> Iterator[Served]:
    process = Served(folder, "Front")
    try:
        process.wait_for("Front listening http")
        yield process
    finally:
        process.process.kill()
        process.process.wait()


@contextlib.asynccontextmanager
async def control_of(served: Served) -> AsyncIterator[ControlClient]:
    state = served.state()
    assert state.control_socket is not None
    async with ControlClient(Path(state.control_socket), state.run_id) as client:
        yield client


@contextlib.asynccontextmanager
async def back_of(served: Served) -> AsyncIterator[Back]:
    """A client over the socket of the first worker of ``Back``."""
    state = served.state()
    (worker,) = state.services[0].workers
    assert worker.path is not None
    channel = SlotChannel("Back", run_id=state.run_id)
    channel.set_members([Member(slot=0, path=worker.path, generation=worker.generation)])
    definition = collect(Back).entry
    try:
        yield make_client(Back, definition, channel, asyncio.get_running_loop())
    finally:
        await channel.aclose()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_the_run_and_leaves_nothing(served, number):
    served.process.send_signal(number)
    assert served.end() == EXIT_OK
    assert "back stopped" in served.output
    assert served.leftovers == []


async def test_workers_answer_http_and_their_sockets(served):
    state = served.state()
    assert (state.provider, state.graph, state.state) == ("inprocess", "Front", "ready")
    async with back_of(served) as back:
        assert await back.double(21) == 42
    async with httpx.AsyncClient(base_url=state.services[1].http_url or "") as http:
        assert (await http.post("/double", json={"number": 4})).json() == 8


async def test_control_socket_scales_and_restarts(served):
    async with control_of(served) as control:
        await control.scale("Back", 2, reason="test")
        await control.restart("Back")
        status = await control.status()
        workers = status.services[0].workers
        assert [(worker.slot, worker.generation, worker.state) for worker in workers] == [
            (0, 2, "ready"),
            (1, 2, "ready"),
        ]
        assert all(Path(worker.path or "").is_socket() for worker in workers)
        await control.wait_ready(WAIT_S)
        await control.scale("Back", 1)
        assert not Path(workers[1].path or "").exists()
        with pytest.raises(UnsupportedOperationError, match="logs"):
            async for _ in control.logs():
                pass


async def test_control_socket_stops_the_run(served):
    async with control_of(served) as control:
        await control.stop(reason="test")
    assert await asyncio.to_thread(served.end) == EXIT_OK
    assert served.leftovers == []


async def test_callers_keep_their_answers_over_a_restart(served):
    async with back_of(served) as back, control_of(served) as control:
        restart = asyncio.ensure_future(control.restart("Back"))
        answers = []
        while not restart.done() or len(answers) < 20:
            answers.append(await back.double(len(answers)))
        await restart
    assert answers == [2 * number for number in range(len(answers))]


async def test_second_signal_does_not_wait_for_calls(served):
    async with back_of(served) as back:
        call = asyncio.ensure_future(back.slow())
        await asyncio.to_thread(served.wait_for, "slow began")
        served.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(served.wait_for, "Back/0 stopping")
        served.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(served.end) == EXIT_OK
        (result,) = await asyncio.gather(call, return_exceptions=True)
    assert isinstance(result, Exception)
    assert "slow ended" in served.output
    assert served.leftovers == []


async def test_third_signal_kills_even_a_blocked_process(served):
    async with back_of(served) as back:
        call = asyncio.ensure_future(back.block_the_loop())
        await asyncio.to_thread(served.wait_for, "blocked")
        async with asyncio.timeout(WAIT_S):
            while served.process.poll() is None:  # signals that come at once may count as one
                served.process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.01)
        assert await asyncio.to_thread(served.end) == -signal.SIGTERM
        (result,) = await asyncio.gather(call, return_exceptions=True)
    assert isinstance(result, Exception)
    assert served.leftovers == []


def test_failed_start_has_its_exit_status_and_shows_why(folder):
    served = Served(folder, "Failing")
    assert served.end() == EXIT_NOT_STARTED
    assert "OSError: no coffee" in served.output
    assert "back stopped" in served.output
    assert served.leftovers == []


def test_signal_during_the_start_is_no_failure(folder):
    served = Served(folder, "SignalledWhileStarting")
    assert served.end() == EXIT_OK
    assert "back stopped" in served.output
    assert served.leftovers == []


def test_graph_is_served_where_there_are_no_unix_sockets(folder):
    """Simulated: nothing that only POSIX has is imported, and no directory is made."""
    served = Served(folder, "SignalledWhileStarting", WITHOUT_SOCKETS="1")
    assert served.end() == EXIT_OK
    assert "no unix sockets" in served.output
    assert "back stopped" in served.output
    assert served.leftovers == []
