"""A worker's life, within the test's process: what it tells, and when it takes calls."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import attrs
import pytest

from dynamo_core import endpoint, on_shutdown, readiness, service
from dynamo_core.client import make_client
from dynamo_core.definition import ServiceDefinition
from dynamo_core.errors import CallCancelledError
from dynamo_core.inspection import define_service
from dynamo_core.transport import Member, SlotChannel
from dynamo_core.worker_kit.peers import Peers
from dynamo_core.worker_kit.serving import StopTime, WorkerSetup, serve

T = TypeVar("T")

TOLD: list[str] = []


@service
class Hesitant:
    """Is ready when it was asked twice."""

    def __init__(self) -> None:
        self.asked = 0

    @readiness
    def is_ready(self) -> bool:
        self.asked += 1
        TOLD.append("asked")
        return self.asked > 1

    @endpoint
    async def echo(self, text: str) -> str:
        TOLD.append("called")
        return text


@service(supervision={"stop_timeout_s": 0.4})
class Endless:
    """Has a call that never ends, and something to do in the end."""

    @endpoint
    async def wait(self) -> None:
        TOLD.append("waits")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            TOLD.append("cancelled")
            raise

    @on_shutdown
    def end(self) -> None:
        TOLD.append("ended")


@contextlib.asynccontextmanager
async def calling(cls: type[T]) -> AsyncIterator[tuple[T, WorkerSetup]]:
    """A client of a class, and how a worker of it is set up; it is for the test to serve it."""
    TOLD.clear()
    definition = define_service(cls)
    with tempfile.TemporaryDirectory(prefix="wk-") as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder) / "slot"
        listener.bind(str(path))
        listener.listen()
        channel = SlotChannel(definition.name, run_id="run")
        channel.set_members([Member(slot=0, path=str(path), generation=1)])
        setup = WorkerSetup(
            definition=definition,
            slot=0,
            run_id="run",
            generation=1,
            listener=listener.dup(),
            peers=Peers({}, {}),
            tell=lambda state: TOLD.extend(["ready"] if state.get("READY") == "1" else []),
        )
        yield make_client(cls, definition, channel, asyncio.get_running_loop()), setup
        await channel.aclose()


async def test_calls_begin_only_once_the_worker_is_ready() -> None:
    """Callers that wait in the queue of its socket must neither be served too early nor keep it from being ready."""
    stop = asyncio.Event()
    async with calling(Hesitant) as (client, setup), asyncio.timeout(30):
        called = asyncio.create_task(client.echo("early"))
        await asyncio.sleep(0)  # it is in the queue now
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve(setup, stop))
            assert await called == "early"
            stop.set()
    assert TOLD == ["asked", "asked", "ready", "called"]


async def test_calls_that_do_not_end_leave_time_for_shutdown_hooks() -> None:
    """They are cancelled before the stop time is over, at the end of which a supervisor kills."""
    stop = asyncio.Event()
    async with calling(Endless) as (client, setup), asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(setup, stop))
        called = asyncio.create_task(client.wait())
        while "waits" not in TOLD:
            await asyncio.sleep(0.001)
        stop.set()
        with pytest.raises(CallCancelledError):
            await called
    assert TOLD == ["ready", "waits", "cancelled", "ended"]


def test_calls_get_most_of_the_stop_time() -> None:
    """The rest is for shutdown hooks, and never long."""
    assert [StopTime(seconds).left_for_calls_s() for seconds in (0.0, 4.0, 100.0)] == [0.0, 3.0, 98.0]


def test_what_a_supervisor_tells_goes_before_the_services_own_stop_time() -> None:
    """It may come late, and runs from when it came."""
    told: list[tuple[float, float] | None] = [None]
    time_left = StopTime(100.0, lambda: told[0])
    time_left.begin()
    assert time_left.left_for_calls_s() > 90
    told[0] = (4.0, time.monotonic() - 1.0)
    assert time_left.left_for_calls_s() == pytest.approx(2.0, abs=0.5)
    told[0] = (1.0, time.monotonic() - 1.0)
    assert time_left.left_for_calls_s() == 0.0


async def test_a_stop_that_is_hurried_cancels_calls_in_time_for_shutdown_hooks() -> None:
    """However long the service's own stop time is."""
    stop = asyncio.Event()
    told: list[tuple[float, float] | None] = [None]
    async with calling(Endless) as (client, setup), asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        hurried = attrs.evolve(setup, stop_told=lambda: told[0], definition=patient(setup.definition))
        tasks.create_task(serve(hurried, stop))
        called = asyncio.create_task(client.wait())
        while "waits" not in TOLD:
            await asyncio.sleep(0.001)
        stop.set()
        await asyncio.sleep(0)
        told[0] = (0.2, time.monotonic())
        with pytest.raises(CallCancelledError):
            await called
    assert TOLD == ["ready", "waits", "cancelled", "ended"]


def patient(definition: ServiceDefinition) -> ServiceDefinition:
    """With a stop time that no test waits for."""
    supervision = attrs.evolve(definition.config.supervision, stop_timeout_s=3600.0)
    return attrs.evolve(definition, config=attrs.evolve(definition.config, supervision=supervision))


def test_the_stop_time_is_one_for_all_that_finishes() -> None:
    """What requests over HTTP have used up is gone for other calls."""
    time_left = StopTime(100.0)
    time_left.begin()
    first = time_left.left_for_calls_s()
    time_left.begin()
    assert time_left.left_for_calls_s() <= first < 98.0
