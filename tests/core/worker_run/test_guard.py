"""What workers have started ends with them, and they end with the process that runs them, whatever they do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynamo_core import WorkerLostError, environment
from dynamo_core.graph import collect
from dynamo_core.provider import ServiceEvent
from dynamo_core.supervision.guardian import Guardian
from dynamo_core.worker_run.run import WorkerRun, run_workers

from .engine_for_tests import Backend, SubprocessEngine, bind

pytestmark = [
    pytest.mark.usefixtures("folder"),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are told by their environment"),
]

ROOT = Path(__file__).parents[3]
PATIENCE_S = 20.0

PROGRAM = """
import asyncio
from dynamo_core.graph import collect
from dynamo_core.worker_run.run import run_workers
from tests.core.worker_run.engine_for_tests import Backend, SubprocessEngine, bind

async def main():
    async with run_workers(bind(collect(Backend), []), SubprocessEngine(), provider="test") as run:
        backend = run.client(Backend)
        print(await backend.pid(), await backend.stray(), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


class Watched:
    """A process that is not our child, followed by its descriptor so that its number cannot mislead."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def has_ended(self, timeout_s: float = PATIENCE_S) -> bool:
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLIN)
        return bool(waiting.poll(timeout_s * 1000))

    def close(self) -> None:
        """Leave nothing of it."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
        os.close(self._descriptor)


@pytest.fixture
def watched() -> Iterator[list[Watched]]:
    """Processes that are over at the end of the test."""
    found: list[Watched] = []
    yield found
    for process in found:
        process.close()


@pytest.fixture
def program(watched: list[Watched]) -> Iterator[subprocess.Popen[str]]:
    """A program that runs a worker, which has started a process in a session of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        watched += [Watched(int(pid)) for pid in process.stdout.readline().split()]
        yield process
        process.kill()


async def has_ended(process: Watched) -> bool:
    return await asyncio.to_thread(process.has_ended)


def guardian_of(run: WorkerRun) -> int | None:
    """The child of this process that guards the run; None when there is none."""
    children = Path("/proc/self/task").glob("*/children")
    for pid in " ".join(path.read_text() for path in children).split():
        if run.run_id.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            return int(pid)
    return None


def test_stopped_worker_and_what_it_started_end_with_the_program(
    program: subprocess.Popen[str], watched: list[Watched], folder: Path
) -> None:
    """Neither hears of its end by itself; the directory of the run goes too."""
    worker, stray = watched
    os.kill(worker.pid, signal.SIGSTOP)
    program.kill()
    assert worker.has_ended()
    assert stray.has_ended()
    program.wait()
    deadline = time.monotonic() + PATIENCE_S
    while list(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(folder.iterdir()) == []


async def test_order_marks_what_a_worker_starts() -> None:
    """No two workers of a run have one mark: what one leaves behind is killed while the other is being started."""
    engine = SubprocessEngine()
    async with run_workers(bind(collect(Backend), []), engine, provider="test") as run:
        await run.restart("Backend")
        for workers in (2, 1, 2):
            await run.scale("Backend", workers)
        marks = [order.env[environment.WORKER_ID] for order in engine.orders]
        assert [mark.rpartition(".")[0] for mark in marks] == [
            f"{run.run_id}/Backend/{slot}" for slot in (0, 0, 1, 1)
        ]
        assert len(set(marks)) == 4


async def test_what_a_dead_worker_left_behind_is_killed(watched: list[Watched]) -> None:
    """Outside its group too; what its successor starts is not touched."""
    heard: list[ServiceEvent] = []
    async with run_workers(bind(collect(Backend), heard), SubprocessEngine(), provider="test") as run:
        backend = run.client(Backend)
        watched.append(Watched(await backend.stray()))
        with pytest.raises(WorkerLostError):
            await backend.die()
        watched.append(Watched(await backend.stray()))
        assert await has_ended(watched[0])
        assert not watched[1].has_ended(0.0)


async def test_nothing_is_left_of_a_run_that_has_ended(watched: list[Watched]) -> None:
    """What a worker has started, and the guardian; both are gone when the run is."""
    async with run_workers(bind(collect(Backend), []), SubprocessEngine(), provider="test") as run:
        watched.append(Watched(await run.client(Backend).stray()))
        guardian = guardian_of(run)
        assert guardian is not None
        watched.append(Watched(guardian))
    assert [process.has_ended(0.0) for process in watched] == [True, True]
    assert guardian_of(run) is None


async def test_guardian_that_dies_is_replaced(watched: list[Watched]) -> None:
    """A run is never without one for long."""
    async with run_workers(bind(collect(Backend), []), SubprocessEngine(), provider="test") as run:
        first = guardian_of(run)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            while (second := guardian_of(run)) in {None, first}:
                await asyncio.sleep(0.01)
        assert second is not None
        watched.append(Watched(second))
    assert watched[0].has_ended(0.0)


async def test_guardian_that_cannot_be_started_is_no_reason_not_to_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said, and tried again."""
    start, refused = Guardian.start, [0]

    def start_later(guardian: Guardian) -> None:
        if not refused[0]:
            refused[0] += 1
            raise OSError(24, "Too many open files")
        start(guardian)

    monkeypatch.setattr(Guardian, "start", start_later)
    async with run_workers(bind(collect(Backend), []), SubprocessEngine(), provider="test") as run:
        async with asyncio.timeout(PATIENCE_S):
            while guardian_of(run) is None:
                await asyncio.sleep(0.01)
    assert "cannot be started: [Errno 24] Too many open files" in caplog.text
