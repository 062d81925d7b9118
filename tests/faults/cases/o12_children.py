"""What a worker has started does not outlive it, in the worker's group or out of it."""

from __future__ import annotations

import time

from harness import Run, Trial, case
from harness.kills import kill_worker
from harness.processes import is_alive

GONE_S = 1.0


@case("O12", "after stop and restart none left; after kill -9 none left <= 1 s")
async def start_children(trial: Trial) -> None:
    async with trial.start("Work", "--Work.ServiceArgs.workers=1") as run:
        left = await children_of_worker(trial, run)
        kill = await kill_worker(run, "Work", 0)
        await trial.until(lambda: not any(map(is_alive, left)), "children of a killed worker are gone")
        trial.within("gone after kill -9", time.monotonic() - kill.when, GONE_S)
        await run.events.wait("ready", "Work", after=kill.when)

        left = await children_of_worker(trial, run)
        await run.arbiter.restart("Work")
        gone_s = await trial.until(
            lambda: not any(map(is_alive, left)), "children of a replaced worker are gone"
        )
        trial.within("gone after the restart", gone_s, GONE_S)

        left = await children_of_worker(trial, run)
        await run.arbiter.scale("Work", 0)
        gone_s = await trial.until(
            lambda: not any(map(is_alive, left)), "children of a stopped worker are gone"
        )
        trial.within("gone after scaling down", gone_s, GONE_S)
        await run.arbiter.scale("Work", 1)

        left = await children_of_worker(trial, run)
    trial.expect(not any(map(is_alive, left)), "children are left after the stop")


async def children_of_worker(trial: Trial, run: Run) -> list[int]:
    """Have the worker start its children; their pids."""
    record = await trial.ledger.record(run.client("Work").start_children, service="Work", deadline_s=5)
    pids: list[int] = record.answer
    trial.expect(len(pids) == 2 and all(map(is_alive, pids)), f"the children do not run: {pids}")
    return pids
