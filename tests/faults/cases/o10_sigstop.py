"""A worker is stopped by SIGSTOP."""

from __future__ import annotations

import asyncio
import os
import signal
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


@case(
    "O10",
    "replaced <= watchdog + 1 s, calls on it fail typed <= watchdog + 0.5 s; the frozen process is gone",
)
async def stop_a_worker(trial: Trial) -> None:
    watchdog_s, override = overrides(trial)
    async with trial.start("Work", override) as run, run.load("Work") as load, other_slot(run) as other:
        await asyncio.sleep(trial.pick(2.0, 0.3))
        held = await open_calls(trial, run)
        pid = (await run.pids("Work"))[SLOT]
        when = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        await check_replaced(trial, run, load, watchdog_s, (pid, when))
        calls = await asyncio.gather(*held)
    check_calls(trial, calls, watchdog_s, when)
    check_other_slot(trial, other, when)
