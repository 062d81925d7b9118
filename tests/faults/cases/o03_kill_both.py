"""Both workers of a service are killed at once under load."""

from __future__ import annotations

import asyncio

from harness import Trial, case
from harness.kills import check_losses, kill_worker, wait_replaced


@case(
    "O03",
    "calls made meanwhile wait and are answered <= boot + 0.5 s; 0 refused, none past its deadline",
    is_random=True,
)
async def kill_both(trial: Trial) -> None:
    kills = []
    async with trial.start("Work") as run, run.load("Work") as load:
        for _ in range(trial.pick(5, 2)):
            await asyncio.sleep(0.4 + trial.random.random() * 0.1)
            both = [await kill_worker(run, "Work", slot) for slot in (0, 1)]
            for kill in both:
                await wait_replaced(trial, run, kill, load)
            kills += both
        boot_s = run.boot_s("Work")
    check_losses(trial, load, kills)
    waited = 0
    for kill in kills:
        for call in load.answered(since=kill.when, until=kill.when + boot_s):
            waited += call.took_s > 0.1
            trial.within("a call that waited", call.took_s, boot_s + 0.5)
    trial.see(f"{len(load.calls)} calls, {len(load.failed)} lost, {waited} waited")
    trial.expect(waited, "no call was made while there was no worker")
    trial.expect(
        not [call for call in load.failed if call.outcome == "deadline"], "calls were past their deadline"
    )
