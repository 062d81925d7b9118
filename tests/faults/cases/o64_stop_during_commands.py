"""A run is stopped while commands to it are open."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from harness import Trial, case

GRACE_S = 2.0


@case("O64", "open restart, scale, wait_ready and logs end with the run, in words; none hangs", limit_s=120)
async def stop_during_commands(trial: Trial) -> None:
    async with trial.serve("Stubborn") as served:
        await served.wait_ready()
        async with await served.control() as control:
            open_commands = {
                "scale down": asyncio.create_task(control.scale("Stubborn", 1)),
                "scale up": asyncio.create_task(control.scale("Stubborn", 3)),
                "wait_ready": asyncio.create_task(control.wait_ready(60)),
                "restart": asyncio.create_task(control.restart("Stubborn")),
                "logs": asyncio.create_task(read_logs(control)),
            }
            await asyncio.sleep(0.2)
            began = time.monotonic()
            await control.stop(reason="a case of faults")
            await served.wait_exit()
            trial.within("stopped", time.monotonic() - began, GRACE_S + 1)
            done, pending = await asyncio.wait(open_commands.values(), timeout=10)
            trial.expect(not pending, f"{len(pending)} commands hang")
            trial.within("commands ended", time.monotonic() - began, GRACE_S + 2)
            for what, task in open_commands.items():
                if task in done:
                    error = task.exception()
                    trial.see(f"{what}: {error or 'done'}")
                    trial.expect(error is None or "is being stopped" in str(error), f"{what}: {error!r}")
    trial.expect("Traceback" not in served.output, served.output[-1500:])


async def read_logs(control: Any) -> int:
    """Follow the log to its end."""
    count = 0
    async for _ in control.logs(None):
        count += 1
    return count
