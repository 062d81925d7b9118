"""Workers of one service hang while they import their code; others are replaced all the same."""

from __future__ import annotations

import asyncio
import os

from harness import Trial, case
from harness.kills import kill_worker, wait_replaced

from dynamo_core.errors import ServiceFailedError


@case("O67", "process back <= 0.1 s, however many workers of another service have begun and do not come up")
async def hang_in_imports(trial: Trial) -> None:
    hanging = 2 * (os.cpu_count() or 1) + 2
    overrides = f"--Slow.ServiceArgs.supervision.startup_timeout_s={trial.pick(8, 5)}"
    async with trial.start("Trio", overrides) as run, run.load("Work") as load:
        trial.switch("hanging import")
        scaling = asyncio.create_task(run.arbiter.scale("Slow", 2 + hanging))
        async with asyncio.timeout(10):
            while len(run.events.find("spawned", "Slow")) < hanging:
                await asyncio.sleep(0.02)
        for slot in (0, 1):
            kill = await kill_worker(run, "Work", slot)
            await wait_replaced(trial, run, kill, load)
        trial.expect(not scaling.done(), "the imports did not hang")
        trial.switch("hanging import", on=False)
        try:
            await scaling
            trial.expect(False, "it was scaled with workers that hang")
        except ServiceFailedError as error:
            trial.see(str(error))
        trial.expect(await run.arbiter.numprocesses("Slow") == 2, "the service is not as it was")
