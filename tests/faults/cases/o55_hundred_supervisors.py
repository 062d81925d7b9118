"""Supervisors are killed at random moments of whatever a run can be busy with."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable

from harness import Served, Trial, case
from harness.processes import find_processes

from dynamo_core.errors import DynamoError

GONE_S = 0.5


@case(
    "O55",
    "100 supervisors killed with -9 while starting, serving, reloading, stopping: workers gone <= 0.5 s; "
    "0 processes, sockets and directories left after the next start",
    limit_s=900,
    is_random=True,
)
async def kill_supervisors(trial: Trial) -> None:
    modes = [starting, serving, reloading, stopping]
    count = trial.pick(100, 4)
    for number in range(count):
        mode = modes[number % len(modes)]
        served = trial.make_served("Slow")
        async with mode(trial, served):
            await asyncio.sleep(trial.random.random() * trial.pick(0.8, 0.3))
            if served.process.poll() is None:  # it may have stopped by itself
                os.kill(served.pid, signal.SIGKILL)
            await served.wait_exit()
            gone_s = await trial.until(
                lambda: not find_processes(str(trial.folder)), f"everything is gone while {mode.__name__}"
            )
            trial.within(f"gone while {mode.__name__}", gone_s, GONE_S)
        await served.aclose()
        left = directories(trial)
        trial.expect(len(left) <= 1, f"{len(left)} directories are left after {mode.__name__}")
    async with trial.serve("Slow") as last:
        await last.wait_ready()
        here = directories(trial)
        run = last.find_run()
        trial.expect(run is not None and here == [run.run_id], f"after the next start there are {here}")
    trial.see(f"{count} supervisors killed")


def directories(trial: Trial) -> list[str]:
    """What lies where runs have their directories."""
    folder = trial.runs_folder
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@contextlib.asynccontextmanager
async def starting(_trial: Trial, _served: Served) -> AsyncIterator[None]:
    """Perhaps not even its interpreter is up."""
    yield


@contextlib.asynccontextmanager
async def serving(_trial: Trial, served: Served) -> AsyncIterator[None]:
    """Calls are made."""
    await served.wait_ready()
    async with await served.load("Slow", deadline_s=2.0):
        yield


@contextlib.asynccontextmanager
async def reloading(_trial: Trial, served: Served) -> AsyncIterator[None]:
    """Workers are being replaced."""
    await served.wait_ready()
    async with await served.control() as control, meanwhile(control.restart("Slow")):
        yield


@contextlib.asynccontextmanager
async def stopping(trial: Trial, served: Served) -> AsyncIterator[None]:
    """It was told to stop, and calls are open."""
    await served.wait_ready()
    client = await served.client("Slow")
    held = trial.ledger.record(lambda call_id: client.work(call_id, 1.0), service="Slow", deadline_s=5)
    async with meanwhile(held):
        await asyncio.sleep(0.05)
        served.signal(signal.SIGTERM)
        yield


@contextlib.asynccontextmanager
async def meanwhile(work: Awaitable[object]) -> AsyncIterator[None]:
    """Do *work* beside the block; the supervisor's death may end it in any way."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        with contextlib.suppress(DynamoError, TimeoutError):
            async with asyncio.timeout(6):
                await task
