"""Workers are killed every second under load of both kinds of calls, for a minute."""

from __future__ import annotations

import asyncio
import time

from harness import Trial, case
from harness.kills import Kill, check_losses, kill_worker


@case(
    "O56",
    "50 calls/s for 60 s, kill -9 every second: 0 failed idempotent calls; every failed other call was begun on a "
    "killed worker; time to recover as a distribution",
    limit_s=150,
    is_random=True,
)
async def kill_every_second(trial: Trial) -> None:
    kills: list[Kill] = []
    recovered: list[float] = []
    async with (
        trial.start("Work") as run,
        run.load("Work", rate=25) as once,
        run.load("Work", rate=25, endpoint="again", is_idempotent=True) as again,
    ):
        for number in range(trial.pick(60, 4)):
            began = time.monotonic()
            kills.append(await kill_worker(run, "Work", number % 2))
            _, event = await run.events.wait("spawned", "Work", number % 2, after=kills[-1].when)
            assert event.pid is not None
            recovered.append(await once.first_answer_of(event.pid, again) - kills[-1].when)
            await asyncio.sleep(max(0.0, began + trial.pick(1.0, 0.5) - time.monotonic()))
    recovered.sort()
    spread = ", ".join(
        f"{recovered[int(share * (len(recovered) - 1))]:.2f}" for share in (0, 0.5, 0.9, 0.99, 1)
    )
    trial.see(f"answers again after (0, 50, 90, 99, 100 %) {spread} s")
    trial.see(f"idempotent: {len(again.failed)} of {len(again.calls)} failed")
    trial.see(f"others: {len(once.failed)} of {len(once.calls)} failed, in {len(kills)} kills")
    trial.expect(not again.failed, f"failed: {[str(call.error) for call in again.failed[:3]]}")
    check_losses(trial, once, kills)
