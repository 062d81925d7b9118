"""Workers that no longer work are replaced, those that are merely busy are not."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from dynamo_core.errors import WorkerLostError

from .test_run import running

if TYPE_CHECKING:
    from pathlib import Path

    from dynamo_circus import ArbiterHandle


async def replaced(arbiter: ArbiterHandle, pid: int) -> str:
    """Wait until another worker serves; how the one before it ended."""
    async with asyncio.timeout(30):
        while True:
            worker = (await arbiter.stats("Patient")).workers[0]
            if worker.state == "ready" and worker.pid not in {None, pid}:
                return worker.last_cause
            await asyncio.sleep(0.01)


async def test_worker_whose_liveness_hook_says_no_is_replaced(runs: Path, graphs: Path) -> None:
    """It says why in the log."""
    async with running(f"{graphs}/health.py:Patient") as arbiter:
        patient = arbiter.client("Patient")
        pid = await patient.pid()
        await patient.fall_ill()
        assert "exited with status" in await replaced(arbiter, pid)
        lines = [line.text async for line in read_kept(arbiter)]
    assert any("liveness hook" in line for line in lines)


async def read_kept(arbiter: ArbiterHandle) -> Any:
    async with contextlib.aclosing(arbiter.logs()) as lines:  # type: ignore[type-var]
        async for line in lines:
            yield line
            if "liveness hook" in line.text:
                return


async def test_worker_that_is_not_ready_gets_no_calls(runs: Path, graphs: Path) -> None:
    """Callers wait until it is ready again; it is not replaced."""
    async with running(f"{graphs}/health.py:Patient") as arbiter:
        patient = arbiter.client("Patient")
        pid = await patient.pid()
        await patient.close_for(0.5)
        async with asyncio.timeout(30):
            while (await arbiter.stats("Patient")).workers[0].state != "unready":
                await asyncio.sleep(0.005)
        assert await patient.pid() == pid
        assert (await arbiter.stats("Patient")).workers[0].restarts == 0


@pytest.mark.parametrize("how", ["block", "freeze"])
async def test_worker_that_hangs_is_replaced_and_shows_where(runs: Path, graphs: Path, how: str) -> None:
    """Its callers learn that it was lost; a blocked one leaves the stacks of its threads in the log."""
    async with running(f"{graphs}/health.py:Patient") as arbiter:
        patient = arbiter.client("Patient")
        pid = await patient.pid()
        with pytest.raises(WorkerLostError, match="Patient/0"):
            await getattr(patient, how)()
        assert await replaced(arbiter, pid) == "did not answer for 1 s (watchdog_s)"
        found = []
        async with contextlib.aclosing(arbiter.logs("Patient")) as lines:  # type: ignore[type-var]
            async for line in lines:
                found.append(line.text)
                if f"in {how}" in line.text:
                    break
    assert "Fatal Python error: Aborted" in found


async def test_busy_worker_is_left_alone(runs: Path, graphs: Path) -> None:
    """Steps that end are progress, also when the loop does not turn between them for longer than the watchdog."""
    async with running(f"{graphs}/health.py:Patient") as arbiter:
        patient = arbiter.client("Patient")
        pids = await asyncio.gather(*(patient.work(0.4) for _ in range(6)))
        assert set(pids) == {await patient.pid()}
        assert (await arbiter.stats("Patient")).workers[0].restarts == 0
