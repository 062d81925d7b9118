"""A handler ends its process as if all was well."""

from __future__ import annotations

import asyncio
import time

from harness import Trial, case
from harness.kills import Kill, wait_replaced


@case(
    "O04",
    'treated as death; reason "exited 0 while serving"; that call fails, replacement as O01',
)
async def exit_in_a_handler(trial: Trial) -> None:
    async with trial.start("Work") as run, run.load("Work") as load:
        await asyncio.sleep(0.2)
        began = time.monotonic()
        client = run.client("Work")
        record = await trial.ledger.record(client.leave, service="Work", deadline_s=5)
        died, event = await run.events.wait("died", "Work", after=began)
        assert event.pid is not None
        assert event.slot is not None
        await wait_replaced(trial, run, Kill("Work", event.slot, event.pid, began), load)
        worker = (await run.workers("Work"))[event.slot]
    trial.see(f"reason {event.detail!r}, call: {record.error}")
    trial.expect("status 0" in event.detail, f"the reason does not tell the exit status: {event.detail!r}")
    trial.expect("serv" in event.detail, f"the reason does not say that it served: {event.detail!r}")
    trial.expect(worker.last_cause == event.detail, f"status tells another reason: {worker.last_cause!r}")
    trial.expect(record.outcome == "WorkerLostError", f"the call that ended its worker: {record.outcome}")
    trial.within("told", died - began, 0.1)
    lost = {line.call_id for line in trial.service_ledger if line.pid == event.pid and line.what == "begin"}
    for call in load.failed:
        trial.expect(call.call_id in lost, f"call {call.call_id} failed: {call.error}")
