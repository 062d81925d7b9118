"""A handler blocks its worker's event loop for a minute."""

from __future__ import annotations

import asyncio
import time

from harness import Trial, case
from harness.freezes import (
    SLOT,
    check_calls,
    check_other_slot,
    check_replaced,
    open_calls,
    other_slot,
    overrides,
)

from dynamo_core import with_options


@case(
    "O09",
    "after watchdog: ABRT with a stack in the log, replaced <= watchdog + 1 s; "
    "calls on it fail typed <= watchdog + 0.5 s; other slot untouched",
)
async def block_the_loop(trial: Trial) -> None:
    watchdog_s, override = overrides(trial)
    async with trial.start("Work", override) as run, run.load("Work") as load, other_slot(run) as other:
        await asyncio.sleep(trial.pick(2.0, 0.3))
        held = await open_calls(trial, run)
        pid = (await run.pids("Work"))[SLOT]
        when = time.monotonic()
        client = with_options(run.client("Work"), routing=SLOT)
        blocking = asyncio.create_task(trial.ledger.record(client.block, service="Work", deadline_s=40))
        await check_replaced(trial, run, load, watchdog_s, (pid, when))
        calls = await asyncio.gather(blocking, *held)
        lines = [line.text for line in await run.log_lines("Work") if line.slot == SLOT]
    trial.expect(any("Aborted" in line for line in lines), f"not by SIGABRT: {lines[-20:]}")
    trial.expect(
        any("services.py" in line and "in block" in line for line in lines), f"no stack: {lines[-20:]}"
    )
    check_calls(trial, calls, watchdog_s, when)
    check_other_slot(trial, other, when)
