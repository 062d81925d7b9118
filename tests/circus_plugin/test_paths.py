"""Paths of a run that somebody removes while it serves."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path
from typing import Any

from dynamo_circus import ArbiterHandle, CircusDeploymentTarget
from dynamo_core.client import make_client
from dynamo_core.control.client import ControlClient
from dynamo_core.loader import load_graph
from dynamo_core.provider.binding import run_graph
from dynamo_core.transport import Member, SlotChannel

from .crew_for_tests import until


@contextlib.asynccontextmanager
async def running(target: str, heard: list[Any]):
    target_ = CircusDeploymentTarget()
    async with run_graph(target_, load_graph(target), listeners=[heard.append]) as arbiter:
        assert isinstance(arbiter, ArbiterHandle)
        yield arbiter


@contextlib.asynccontextmanager
async def newcomer(arbiter: ArbiterHandle, graph: str):
    """A client of ``Backend`` that has just come."""
    definition = load_graph(graph).find_service("Backend")
    channel = SlotChannel("Backend", run_id=arbiter.run_id)
    workers = (await arbiter.stats("Backend")).workers
    channel.set_members([Member(slot=each.slot, path=str(each.path)) for each in workers])
    try:
        yield make_client(definition.inner, definition, channel, asyncio.get_running_loop())
    finally:
        await channel.aclose()


async def test_workers_serve_a_socket_that_was_made_anew(runs, graphs):
    """The same processes as before, without a restart."""
    graph, heard = f"{graphs}/chain.py:Frontend", []
    async with running(graph, heard) as arbiter:
        workers = (await arbiter.stats("Backend")).workers
        first = Path(str(workers[0].path))
        inode = first.stat().st_ino
        first.unlink()
        await until(lambda: first.exists() and first.stat().st_ino != inode, "a new socket")
        async with newcomer(arbiter, graph) as client:
            pids = {await client.pid() for _ in range(20)}
        assert pids == {worker.pid for worker in workers}
        assert [event.slot for event in heard if event.kind == "message"] == [0]


def is_removed(folder: Path) -> bool:
    """Remove a folder; whether it is gone, which it is not when something was written meanwhile."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


async def test_a_directory_that_was_removed_is_made_anew_with_all_it_held(runs, graphs):
    """Commands, notifications and callers find what they need again."""
    graph, heard = f"{graphs}/chain.py:Frontend", []
    async with running(graph, heard) as arbiter:
        directory = runs / arbiter.run_id
        names = {path.name for path in directory.iterdir()}
        aside = directory.rename(directory.with_name("aside"))
        await until(lambda: is_removed(aside), "nothing is written there any more")
        await until(
            lambda: directory.exists() and {path.name for path in directory.iterdir()} == names,
            "a new directory",
        )
        async with ControlClient(directory / "control.sock", arbiter.run_id) as control:
            await control.scale("Backend", 3)
        await arbiter.restart("Backend")
        async with newcomer(arbiter, graph) as client:
            assert len({await client.pid() for _ in range(30)}) == 3


async def test_what_cannot_be_made_anew_is_told_once_per_service(runs, graphs):
    """Open connections go on, and the run can be stopped."""
    graph, heard = f"{graphs}/chain.py:Frontend", []
    async with running(graph, heard) as arbiter:
        assert await arbiter.client("Backend").echo("x") == "Backend: x"
        directory = runs / arbiter.run_id
        shutil.rmtree(directory)
        directory.write_text("in the way")
        await until(lambda: sum(event.kind == "message" for event in heard) >= 2, "two messages")
        assert await arbiter.client("Backend").echo("x") == "Backend: x"
        told = [(event.service, str(directory) in event.detail) for event in heard if event.kind == "message"]
        assert told == [("Backend", True), ("Frontend", True)]
        directory.unlink()
