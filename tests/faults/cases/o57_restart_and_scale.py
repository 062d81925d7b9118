"""Rolling restarts and scaling from one to eight and back, under load."""

from __future__ import annotations

import asyncio

from harness import Trial, case


@case("O57", "rolling restart and scaling 1 -> 8 -> 1 under load, at the same time: 0 failed", limit_s=300)
async def change_under_load(trial: Trial) -> None:
    most = trial.pick(8, 3)
    async with (
        trial.start("Work", "--Work.ServiceArgs.workers=1") as run,
        run.load("Work", rate=25) as once,
        run.load("Work", rate=25, endpoint="again", is_idempotent=True) as again,
    ):
        for _ in range(trial.pick(2, 1)):
            await asyncio.gather(run.arbiter.scale("Work", most), run.arbiter.restart("Work"))
            trial.expect(await run.arbiter.numprocesses("Work") == most, "not all workers are there")
            await asyncio.gather(run.arbiter.restart("Work"), run.arbiter.scale("Work", 1))
            trial.expect(await run.arbiter.numprocesses("Work") == 1, "not only one worker is left")
        deaths = run.events.find("died")
    for name, load in (("idempotent", again), ("others", once)):
        trial.see(f"{name}: {len(load.failed)} of {len(load.calls)} failed")
        trial.expect(not load.failed, f"{name} failed: {[str(call.error) for call in load.failed[:3]]}")
    trial.expect(not deaths, f"workers died: {[event.detail for _, event in deaths]}")
