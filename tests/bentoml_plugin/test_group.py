"""The workers of one service, when the system refuses to start them for a while."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from dynamo_bentoml.plan import ServicePlan
from dynamo_bentoml.supervisor import process as process_module
from dynamo_bentoml.supervisor.group import ServiceGroup
from dynamo_bentoml.supervisor.process import Launch
from dynamo_core import ServiceConfig
from dynamo_core.import_target import ImportTarget
from dynamo_core.supervision.slot_listener import SlotListener

from .runs_for_tests import Runs

PLAN = ServicePlan(
    name="Backend",
    target=ImportTarget("nowhere", None, "Backend"),
    config=ServiceConfig({"workers": 1}),
    dependencies={},
)
TOO_MANY = OSError(errno.EMFILE, os.strerror(errno.EMFILE))


class SleepingRun:
    """A run whose workers sleep, and never say that they are ready; *refusals* is how many launches fail."""

    is_starting = False
    is_stopping = False

    def __init__(self, folder: Path, refusals: int = 0) -> None:
        self.launches: list[Launch] = []
        self.delays: list[float] = []
        self._folder = folder
        self._refusals = refusals

    def open_slot(self, service: ServicePlan, slot: int) -> SlotListener:
        return SlotListener(self._folder / f"{slot}.sock")

    def prepare(self, service: ServicePlan, slot: Any) -> Launch:
        if self._refusals:
            self._refusals -= 1
            raise TOO_MANY
        ours, theirs = socket.socketpair()
        launch = Launch(
            argv=(sys.executable, "-I", "-S", "-c", "import time; time.sleep(1000)"),
            env={},
            cwd=self._folder,
            inherited=(theirs.detach(),),
            service=service.name,
            owner="run/Backend/0.1",
            channel=ours,
            first_words=b"",
        )
        self.launches.append(launch)
        return launch

    def restarting(self, group: ServiceGroup, slot: Any, delay_s: float) -> None:
        self.delays.append(round(delay_s, 1))

    def dependencies_ready_at(self, service: ServicePlan) -> float | None:
        return None

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None  # whatever else it is told


@contextlib.asynccontextmanager
async def started(run: SleepingRun) -> AsyncIterator[ServiceGroup]:
    """A group that has a worker in the end."""
    group = ServiceGroup(PLAN, run)
    group.open()
    try:
        group.start()
        async with asyncio.timeout(20):
            while group.slots[0].worker is None:
                await asyncio.sleep(0.01)
        yield group
    finally:
        group.kill()
        await group.stop()
        group.close()


async def test_launch_that_cannot_be_prepared_for_a_while_is_tried_again(runs: Runs) -> None:
    """Each time is a failed start, with its cause and the wait that is due."""
    run = SleepingRun(runs.folder, refusals=3)
    async with started(run) as group:
        assert run.delays == [0.0, 0.1, 0.2]
        assert group.slots[0].last_cause == "cannot be started: [Errno 24] Too many open files"


async def test_worker_whose_end_cannot_be_heard_of_is_killed_and_another_started(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be looked after by nobody."""
    call_at_end, pids = process_module.call_at_end, []

    def refuse_twice(pid: int, ended: Callable[[], None]) -> Callable[[], None]:
        pids.append(pid)
        if len(pids) <= 2:
            raise TOO_MANY
        return call_at_end(pid, ended)

    monkeypatch.setattr(process_module, "call_at_end", refuse_twice)
    run = SleepingRun(runs.folder)
    async with started(run) as group:
        assert run.delays == [0.0, 0.1]
        assert group.processes[0].pid == pids[2]
        for pid in pids[:2]:
            with pytest.raises(ChildProcessError):
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        assert [launch.channel.fileno() for launch in run.launches[:2]] == [-1, -1]
