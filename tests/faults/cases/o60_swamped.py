"""A worker dies while many calls that keep the processor busy wait for it."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from harness import Trial, case


@case(
    "O60",
    "the next worker says READY before it begins any of them, is not replaced, and answers all that were not begun",
)
async def kill_while_calls_wait(trial: Trial) -> None:
    count, busy_s = trial.pick((20, 0.5), (10, 0.2))
    timeout_s = count * busy_s / 2  # a start that had to do all of the work first would be too late
    overrides = (
        "--Work.ServiceArgs.workers=1",
        f"--Work.ServiceArgs.supervision.startup_timeout_s={timeout_s + 2}",
    )
    async with trial.start("Work", *overrides) as run:
        client = run.client("Work")
        calls = [
            asyncio.create_task(
                trial.ledger.record(
                    lambda call_id: client.compute(call_id, busy_s),
                    service="Work",
                    deadline_s=20 * count * busy_s,
                )
            )
            for _ in range(count)
        ]
        await trial.until(lambda: trial.service_ledger, "the first call has begun")
        pid = (await run.pids("Work"))[0]
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        ready, event = await run.events.wait("ready", "Work", after=killed)
        records = await asyncio.gather(*calls)
        deaths = run.events.find("died", after=killed)
    begun = [line for line in trial.service_ledger if line.what == "begin" and line.pid == event.pid]
    lost = [record for record in records if record.outcome != "ok"]
    trial.see(f"{len(lost)} of {count} lost, {len(begun)} begun by the next worker")
    trial.expect(len(deaths) == 1, f"{len(deaths)} deaths: {[each.detail for _, each in deaths]}")
    trial.expect(begun and min(line.when for line in begun) > ready - 0.05, "calls began before READY")
    begun_before = {line.call_id for line in trial.service_ledger if line.what == "begin" and line.pid == pid}
    trial.expect({record.call_id for record in lost} <= begun_before, "a call was lost that had not begun")
