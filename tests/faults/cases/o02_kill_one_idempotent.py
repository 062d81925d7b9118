"""One of two workers is killed under load of calls that may be made again."""

from __future__ import annotations

import asyncio
from collections import Counter

from harness import Trial, case
from harness.kills import kill_worker, wait_replaced


@case(
    "O02",
    "client sees 0 failures; extra attempts <= 20 % of calls + 3",
    is_random=True,
)
async def kill_one_of_two(trial: Trial) -> None:
    kills = trial.pick(10, 3)
    async with (
        trial.start("Work") as run,
        run.load("Work", endpoint="again", is_idempotent=True) as load,
    ):
        for _ in range(kills):
            await asyncio.sleep(trial.random.random() * 0.1)
            kill = await kill_worker(run, "Work", trial.random.randrange(2))
            await wait_replaced(trial, run, kill, load)
            await asyncio.sleep(0.4)
    begun = Counter(line.call_id for line in trial.service_ledger if line.what == "begin")
    extra = sum(begun.values()) - len(begun)
    trial.see(f"{len(load.calls)} calls, {len(load.failed)} failed in {kills} kills, {extra} extra attempts")
    for call in load.failed:
        trial.expect(False, f"call {call.call_id} failed: {call.error}")
    trial.expect(extra <= 0.2 * len(load.calls) + 3, f"{extra} extra attempts for {len(load.calls)} calls")
