"""One service stops slowly; nothing else waits for it."""

from __future__ import annotations

import asyncio
import time

from harness import Trial, case
from harness.kills import kill_worker, wait_replaced


@case("O21", "replacement <= 0.1 s; the restart is done, not refused")
async def change_others_during_a_slow_stop(trial: Trial) -> None:
    grace_s = trial.pick(5.0, 4.0)
    (trial.folder / "boot_s").write_text("0.1")
    overrides = f"--Stubborn.ServiceArgs.supervision.stop_timeout_s={grace_s}"
    async with trial.start("Trio", overrides) as run, run.load("Work") as load:
        await asyncio.sleep(0.2)
        began = time.monotonic()
        stopping = asyncio.create_task(run.arbiter.scale("Stubborn", 1))
        async with asyncio.timeout(5):
            while await run.arbiter.numprocesses("Stubborn") != 1:
                await asyncio.sleep(0.01)
        before = await run.pids("Slow")
        restarting = asyncio.create_task(run.arbiter.restart("Slow"))
        kill = await kill_worker(run, "Work", 0)
        await wait_replaced(trial, run, kill, load)
        await restarting
        trial.within("the restart", time.monotonic() - began, grace_s)
        trial.expect(not stopping.done(), "the slow stop was over before the others were done")
        after = await run.pids("Slow")
        trial.expect(not set(before) & set(after), f"not all workers were replaced: {before}, {after}")
        await stopping
        trial.see(f"the slow stop took {time.monotonic() - began:.2f} s")
    trial.expect(all(call.outcome == "WorkerLostError" for call in load.failed), "another error than a loss")
