"""Three crashes, then all is well: earlier failures are forgotten."""

from __future__ import annotations

import asyncio

from harness import Trial, case
from harness.kills import kill_worker


@case("O08", "READY again; counter back to zero after stable_time_s of being ready")
async def crash_three_times(trial: Trial) -> None:
    async with trial.start("Crashing", "--Crashing.ServiceArgs.supervision.max_failures=6") as run:
        (trial.folder / "crashes").write_text("2")
        first = await kill_worker(run, "Crashing", 0)
        async with asyncio.timeout(30):
            while len(run.events.find("ready", "Crashing", after=first.when)) < 3:
                await asyncio.sleep(0.01)
        record = await trial.ledger.record(run.client("Crashing").work, service="Crashing", deadline_s=5)
        trial.expect(record.outcome == "ok", f"it is ready and does not answer: {record.error}")
        await asyncio.sleep(0.5)  # stable_time_s is 0.3
        second = await kill_worker(run, "Crashing", 0)
        spawned, _ = await run.events.wait("spawned", "Crashing", after=second.when)
        await run.events.wait("ready", "Crashing", after=second.when)
        waits = [event.seconds or 0.0 for _, event in run.events.find("restarting", "Crashing")]
        kinds = {event.kind for _, event in run.events.heard}
    trial.see(f"waits {', '.join(f'{wait:.2f}' for wait in waits)} s")
    trial.expect(len(waits) == 4, f"{len(waits)} restarts instead of 4")
    trial.expect(waits[0] == 0.0 and waits[1] > 0 and waits[2] > waits[1], "the waits did not grow")
    trial.expect(waits[-1] == 0.0, f"its failures were not forgotten: it waited {waits[-1]:.2f} s")
    trial.expect(not kinds & {"degraded", "failed"}, f"events {sorted(kinds)}")
    trial.within("back", spawned - second.when, 0.1)
