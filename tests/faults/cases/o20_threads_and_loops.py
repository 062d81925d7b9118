"""``run_services`` in a thread, and inside a running event loop."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from harness import Trial, case

from dynamo_circus import CircusDeploymentTarget
from dynamo_core.errors import DynamoError
from dynamo_core.provider.binding import run_graph

REFUSED_S = 2.0
LIMIT_S = 20.0


@case("O20", "works, or a clear error <= 2 s; never hangs")
async def run_in_odd_places(trial: Trial) -> None:
    def run(call_id: str) -> Any:
        with run_graph(CircusDeploymentTarget(), trial.graph("Work")) as arbiter:
            return arbiter.client("Work").work(call_id)

    async def run_async(call_id: str) -> Any:
        async with run_graph(CircusDeploymentTarget(), trial.graph("Work")) as arbiter:
            return await arbiter.client("Work").work(call_id)

    for what, call in {
        "a plain with in a thread": lambda call_id: asyncio.to_thread(run, call_id),
        "async with in a thread's loop": lambda call_id: asyncio.to_thread(asyncio.run, run_async(call_id)),
        "async with on the loop": run_async,
    }.items():
        record = await trial.ledger.record(call, service="Work", deadline_s=LIMIT_S)
        trial.expect(record.outcome == "ok", f"{what}: {record.outcome}: {record.error}")
        trial.see(f"{what} works")
        await trial.check_nothing_left(None)

    began = time.monotonic()
    try:
        run("never")
        trial.expect(False, "a plain with on a loop was let through")
    except (DynamoError, RuntimeError) as error:
        trial.within("a plain with on a loop is refused", time.monotonic() - began, REFUSED_S)
        trial.see(str(error))
        trial.expect("async with" in str(error), f"the error names no way out: {error}")
    await trial.check_nothing_left(None)
