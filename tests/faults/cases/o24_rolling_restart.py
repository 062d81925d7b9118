"""A service's workers are replaced one after another under load."""

from __future__ import annotations

import asyncio
import time

from harness import Run, Trial, case
from harness.load import percentile


@case("O24", "1.5 s boot: 0 failed calls, p99 <= 2 x before, ready workers never below 2")
async def restart_under_load(trial: Trial) -> None:
    boot_s = trial.pick(1.5, 0.3)
    (trial.folder / "boot_s").write_text(str(boot_s))
    async with trial.start("Slow") as run, run.load("Slow") as load:
        await asyncio.sleep(trial.pick(2.0, 0.5))
        before = await run.pids("Slow")
        began = time.monotonic()
        ready: list[int] = []
        counting = asyncio.create_task(count_ready(run, ready))
        for _ in range(trial.pick(3, 1)):
            await run.arbiter.restart("Slow", reason="a case of faults")
        ended = time.monotonic()
        await asyncio.sleep(0.2)
        counting.cancel()
        after = await run.pids("Slow")
        await asyncio.gather(counting, return_exceptions=True)
    calm, busy = load.answered(until=began), load.answered(since=began, until=ended)
    trial.see(f"{len(load.calls)} calls, {len(load.failed)} failed; fewest ready workers {min(ready)}")
    trial.expect(not set(before) & set(after), f"not all workers were replaced: {before}, {after}")
    trial.expect(not load.failed, f"failed: {[str(call.error) for call in load.failed[:3]]}")
    trial.expect(min(ready) >= 2, f"only {min(ready)} workers were ready")
    p99 = percentile(calm, 0.99)
    trial.see(f"p99 before {p99:.3f} s")
    trial.within("p99 meanwhile", percentile(busy, 0.99), 2 * p99)


async def count_ready(run: Run, ready: list[int]) -> None:
    """Take down how many workers are ready, again and again."""
    while True:
        ready.append((await run.arbiter.stats("Slow")).ready_workers)
        await asyncio.sleep(0.005)
