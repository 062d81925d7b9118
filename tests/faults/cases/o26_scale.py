"""A service is scaled up and down under load."""

from __future__ import annotations

import asyncio
import time

from harness import CallRecord, Run, Trial, case

LONG_S = 1.0


@case("O26", "0 failed; drained workers answer what they took; slots 0..3 then 0")
async def scale_under_load(trial: Trial) -> None:
    held: list[CallRecord] = []
    async with trial.start("Work", "--Work.ServiceArgs.workers=1") as run, run.load("Work") as load:
        for _ in range(trial.pick(3, 1)):
            began = time.monotonic()
            await run.arbiter.scale("Work", 4)
            trial.within("up", time.monotonic() - began, 4 * run.boot_s("Work") + 1.0)
            trial.expect(await slots(run) == [0, 1, 2, 3], f"slots {await slots(run)}")
            async with asyncio.timeout(20):  # until callers use all four
                while len({call.answer.slot for call in load.answered(since=began)}) < 4:
                    await asyncio.sleep(0.01)
            holding = [asyncio.create_task(hold(trial, run)) for _ in range(8)]
            await asyncio.sleep(0.1)
            began = time.monotonic()
            await run.arbiter.scale("Work", 1)
            trial.within("down", time.monotonic() - began, 3.0)
            trial.expect(await slots(run) == [0], f"slots {await slots(run)}")
            held += await asyncio.gather(*holding)
            await asyncio.sleep(0.2)
    drained = [call for call in held if call.outcome == "ok" and call.answer.slot > 0]
    trial.see(
        f"{len(load.calls)} calls, {len(load.failed)} failed; {len(drained)} long ones answered by drained workers"
    )
    trial.expect(not load.failed, f"failed: {[str(call.error) for call in load.failed[:3]]}")
    trial.expect(
        all(call.outcome == "ok" for call in held), f"{[str(call.error) for call in held if call.error]}"
    )
    trial.expect(drained, "no call was open on a worker that was taken away")


async def hold(trial: Trial, run: Run) -> CallRecord:
    """A call that takes long."""
    client = run.client("Work")
    return await trial.ledger.record(
        lambda call_id: client.work(call_id, LONG_S), service="Work", deadline_s=10
    )


async def slots(run: Run) -> list[int]:
    return [worker.slot for worker in await run.workers("Work")]
