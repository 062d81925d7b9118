"""Paths of a run that somebody removes while it serves."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dynamo_bentoml import BentoMLDeploymentTarget, BentoMLRun
from dynamo_core.client import make_client
from dynamo_core.control.client import ControlClient
from dynamo_core.loader import load_graph
from dynamo_core.provider.binding import run_graph
from dynamo_core.transport import Member, SlotChannel

from .runs_for_tests import GRAPHS, PATIENCE_S, Runs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

GRAPH = f"{GRAPHS}/chain.py:Frontend"


@pytest.fixture(autouse=True)
def _private(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in runs.environ().items():
        monkeypatch.setenv(name, value)


@contextlib.asynccontextmanager
async def running(heard: list[Any]) -> AsyncIterator[BentoMLRun]:
    async with run_graph(BentoMLDeploymentTarget(), load_graph(GRAPH), listeners=[heard.append]) as run:
        assert isinstance(run, BentoMLRun)
        yield run


@contextlib.asynccontextmanager
async def newcomer(run: BentoMLRun) -> AsyncIterator[Any]:
    """A client of ``Backend`` that has just come."""
    definition = load_graph(GRAPH).find_service("Backend")
    channel = SlotChannel("Backend", run_id=run.run_id)
    workers = (await run.status()).find_service("Backend").workers
    channel.set_members([Member(slot=each.slot, path=str(each.path)) for each in workers])
    try:
        yield make_client(definition.inner, definition, channel, asyncio.get_running_loop())
    finally:
        await channel.aclose()


async def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


def is_removed(folder: Path) -> bool:
    """Remove a folder; whether it is gone, which it is not when something was written meanwhile."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


async def test_workers_serve_a_socket_that_was_made_anew() -> None:
    """The same processes as before, without a restart."""
    heard: list[Any] = []
    async with running(heard) as run:
        workers = (await run.status()).find_service("Backend").workers
        first = Path(str(workers[0].path))
        first.unlink()
        await until(lambda: any(event.kind == "message" for event in heard), "a new socket")
        async with newcomer(run) as client:
            pids = {await client.pid() for _ in range(20)}
        assert pids == {worker.pid for worker in workers}
        assert [event.slot for event in heard if event.kind == "message"] == [0]


async def test_a_directory_that_was_removed_is_made_anew_with_all_it_held(runs: Runs) -> None:
    """Commands and callers find what they need again, and new workers theirs."""
    heard: list[Any] = []
    async with running(heard) as run:
        directory = runs.run_directories / run.run_id
        names = {path.name for path in directory.iterdir()}
        aside = directory.rename(directory.with_name("aside"))
        await until(lambda: is_removed(aside), "nothing is written there any more")
        await until(
            lambda: directory.exists() and {path.name for path in directory.iterdir()} == names,
            "a new directory",
        )
        async with ControlClient(directory / "control.sock", run.run_id) as control:
            await control.scale("Backend", 3)
        await run.restart("Backend")
        async with newcomer(run) as client:
            assert len({await client.pid() for _ in range(30)}) == 3


async def test_what_cannot_be_made_anew_is_told_once_per_service(runs: Runs) -> None:
    """Open connections go on, and the run can be stopped."""
    heard: list[Any] = []
    async with running(heard) as run:
        backend: Any = run.client("Backend")
        assert await backend.echo("x") == "Backend: x"
        directory = runs.run_directories / run.run_id
        directory.rename(directory.with_name("aside"))
        directory.write_text("in the way")
        await until(lambda: sum(event.kind == "message" for event in heard) >= 2, "two messages")
        assert await backend.echo("x") == "Backend: x"
        told = [(event.service, str(directory) in event.detail) for event in heard if event.kind == "message"]
        assert told == [("Backend", True), ("Frontend", True)]
        directory.unlink()
        shutil.rmtree(directory.with_name("aside"))
