"""A rolling restart to a version that cannot start."""

from __future__ import annotations

import asyncio
import time

from harness import Trial, case

from dynamo_core.errors import ServiceFailedError


@case("O25", "error <= ready_timeout, old workers serve 100 %, same pids as before")
async def restart_to_a_broken_version(trial: Trial) -> None:
    (trial.folder / "boot_s").write_text("0.1")
    timeout_s = trial.pick(10.0, 2.0)
    override = f"--Slow.ServiceArgs.supervision.startup_timeout_s={timeout_s}"
    async with trial.start("Slow", override) as run, run.load("Slow") as load:
        before = await run.pids("Slow")
        for fault, word in (("broken", "status 1"), ("hanging", "not ready within")):
            trial.switch(fault)
            began = time.monotonic()
            try:
                await run.arbiter.restart("Slow")
                trial.expect(False, f"{fault}: the restart was done")
            except ServiceFailedError as error:
                trial.within(f"error of a {fault} version", time.monotonic() - began, timeout_s + 0.5)
                trial.see(str(error))
                trial.expect(word in str(error) and error.service == "Slow", f"{fault}: {error}")
            trial.switch(fault, on=False)
            after = await run.pids("Slow")
            trial.expect(before == after, f"{fault}: workers were {before}, are {after}")
        await asyncio.sleep(0.2)
        await run.arbiter.restart("Slow")
        trial.expect(not set(before) & set(await run.pids("Slow")), "a version that starts did not take over")
    trial.see(f"{len(load.calls)} calls, {len(load.failed)} failed")
    trial.expect(not load.failed, f"failed: {[str(call.error) for call in load.failed[:3]]}")
