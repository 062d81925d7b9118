"""One of two workers is killed under load, again and again."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from harness import Load, Run, Trial, case
from harness.load import percentile


@case(
    "O01",
    "0 connect errors; lost <= in flight on that slot, each WorkerLostError <= 0.1 s after the kill; "
    "process back <= 0.1 s, answers <= boot + 0.3 s; other slot's p99 <= 2 x before",
    is_random=True,
)
async def kill_one_of_two(trial: Trial) -> None:
    async with trial.start("Work") as run:
        async with run.load("Work") as load:
            await asyncio.sleep(trial.pick(2.0, 0.5))
            calm_until = time.monotonic()
            kills = [await kill_once(trial, run, load) for _ in range(trial.pick(10, 3))]
        failed = load.failed
        trial.see(f"{len(load.calls)} calls, {len(failed)} lost in {len(kills)} kills")
        check_losses(trial, load, kills)
        for slot in (0, 1):
            before = percentile(load.answered(until=calm_until, slot=slot), 0.99)
            times = [when for when, killed_slot, _ in kills if killed_slot != slot]
            during = [
                call for when in times for call in load.answered(since=when, until=when + 0.5, slot=slot)
            ]
            if trial.is_timed and times:
                trial.within(f"slot {slot}'s p99 (before {before:.3f})", percentile(during, 0.99), 2 * before)


async def kill_once(trial: Trial, run: Run, load: Load) -> tuple[float, int, int]:
    """Kill a worker, and wait until its successor has answered; when it was killed, its slot and its process."""
    slot = trial.random.randrange(2)
    pid = (await run.pids("Work"))[slot]
    await asyncio.sleep(trial.random.random() * 0.1)
    killed = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    spawned, event = await run.events.wait("spawned", "Work", slot, after=killed)
    assert event.pid is not None
    answered = await load.first_answer_of(event.pid)
    trial.within("back", spawned - killed, 0.1)
    trial.within("answers", answered - killed, run.boot_s("Work") + 0.3)
    await asyncio.sleep(0.4)  # longer than stable_time_s: the next replacement is immediate again
    return killed, slot, pid


def check_losses(trial: Trial, load: Load, kills: list[tuple[float, int, int]]) -> None:
    """Every failure is a loss of what a killed worker had begun, told at once."""
    lines = trial.service_ledger
    latest = 0.0
    for call in load.failed:
        trial.expect(call.outcome == "WorkerLostError", f"call {call.call_id}: {call.outcome}: {call.error}")
        begun_on = {line.pid for line in lines if line.call_id == call.call_id and line.what == "begin"}
        times = [when for when, _, pid in kills if pid in begun_on]
        if trial.expect(
            times, f"call {call.call_id} failed and was not begun on a killed worker: {call.error}"
        ):
            latest = max(latest, call.ended - times[0])
    trial.within("latest WorkerLostError after its kill", latest, 0.1)
