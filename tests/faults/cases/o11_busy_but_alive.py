"""A worker whose every call keeps the processor busy for most of the watchdog's time."""

from __future__ import annotations

import asyncio

from harness import Trial, case


@case("O11", "1.5 s of pure CPU per call, watchdog 2 s, 20 calls: 0 kills, all answered", limit_s=180)
async def compute(trial: Trial) -> None:
    watchdog_s, busy_s, count = trial.pick((2.0, 1.5, 20), (1.0, 0.6, 6))
    overrides = (
        "--Work.ServiceArgs.workers=1",
        f"--Work.ServiceArgs.supervision.watchdog_s={watchdog_s}",
    )
    async with trial.start("Work", *overrides) as run:
        client = run.client("Work")
        calls = await asyncio.gather(
            *(
                trial.ledger.record(
                    lambda call_id: client.compute(call_id, busy_s),
                    service="Work",
                    deadline_s=10 * count * busy_s,
                )
                for _ in range(count)
            )
        )
        deaths = run.events.find("died")
    answered = sum(call.outcome == "ok" for call in calls)
    trial.see(
        f"{answered} of {count} answered, {len(deaths)} deaths; longest call {max(c.took_s for c in calls):.1f} s"
    )
    trial.expect(not deaths, f"killed: {[event.detail for _, event in deaths]}")
    trial.expect(answered == count, f"{[str(call.error) for call in calls if call.error]}")
