"""One of two workers is killed under load, again and again."""

from __future__ import annotations

import asyncio
import time

from harness import Load, Trial, case
from harness.kills import Kill, check_losses, kill_worker, wait_replaced
from harness.load import percentile

SETTLED_S = 0.4  # longer than stable_time_s: the next replacement is immediate again


@case(
    "O01",
    "0 connect errors; lost <= in flight on that slot, each WorkerLostError <= 0.1 s after the kill; "
    "process back <= 0.1 s, answers <= boot + 0.3 s; other slot's p99 <= 2 x before",
    is_random=True,
)
async def kill_one_of_two(trial: Trial) -> None:
    kills: list[Kill] = []
    async with trial.start("Work") as run, run.load("Work") as load:
        await asyncio.sleep(trial.pick(2.0, 0.5))
        calm_until = time.monotonic()
        for _ in range(trial.pick(10, 3)):
            await asyncio.sleep(trial.random.random() * 0.1)
            kills.append(await kill_worker(run, "Work", trial.random.randrange(2)))
            await wait_replaced(trial, run, kills[-1], load)
            await asyncio.sleep(SETTLED_S)
    trial.see(f"{len(load.calls)} calls, {len(load.failed)} lost in {len(kills)} kills")
    check_losses(trial, load, kills)
    check_other_slots(trial, load, kills, calm_until)


def check_other_slots(trial: Trial, load: Load, kills: list[Kill], calm_until: float) -> None:
    """Whoever was not killed answers as quickly as before."""
    before = percentile(load.answered(until=calm_until), 0.99)
    during = [
        call
        for kill in kills
        for call in load.answered(since=kill.when, until=kill.when + 0.5, slot=1 - kill.slot)
    ]
    trial.see(f"p99 before {before:.3f} s")
    trial.within("p99 of the other slot", percentile(during, 0.99), 2 * before)
