"""A handler crashes its process."""

from __future__ import annotations

import asyncio
import time

from harness import Trial, case
from harness.kills import Kill, wait_replaced

LINES = 20


@case(
    "O05",
    "reason names signal 11 and shows the last 20 log lines; replacement as O01",
)
async def segfault_in_a_handler(trial: Trial) -> None:
    async with trial.start("Work") as run, run.load("Work") as load:
        await asyncio.sleep(0.2)
        began = time.monotonic()
        record = await trial.ledger.record(run.client("Work").crash, service="Work", deadline_s=5)
        _, event = await run.events.wait("died", "Work", after=began)
        assert event.pid is not None
        assert event.slot is not None
        await wait_replaced(trial, run, Kill("Work", event.slot, event.pid, began), load)
        worker = (await run.workers("Work"))[event.slot]
        logged = [line.text for line in await run.log_lines("Work") if line.slot == event.slot]
    trial.see(f"reason {worker.last_cause!r} with {len(event.last_lines)} lines; call: {record.error}")
    trial.expect("signal 11" in event.detail, f"the event does not name the signal: {event.detail!r}")
    trial.expect("signal 11" in worker.last_cause, f"status does not name the signal: {worker.last_cause!r}")
    trial.expect("line 20" in logged, "what the worker wrote before is not in the log")
    told = event.last_lines
    trial.expect(len(told) == LINES, f"{len(told)} last lines are told")
    trial.expect(
        "line 20" in told and any("Segmentation fault" in line for line in told), f"last lines: {told}"
    )
    trial.expect(
        any(tuple(logged[n : n + LINES]) == told for n in range(len(logged))), f"not in the log: {told}"
    )
    trial.expect(record.outcome == "WorkerLostError", f"the call that crashed its worker: {record.outcome}")
