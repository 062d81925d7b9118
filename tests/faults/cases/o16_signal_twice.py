"""A second signal does not wait for who is slow."""

from __future__ import annotations

import asyncio
import signal
import time

from harness import Trial, case

from dynamo_core.errors import EXIT_OK


@case("O16", "SIGTERM or SIGINT twice: second one shortens the grace: gone <= 1 s; I4")
async def signal_twice(trial: Trial) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        grace = "--Stubborn.ServiceArgs.supervision.stop_timeout_s=20"
        async with trial.serve("Stubborn", grace) as served:
            await served.wait_ready()
            served.signal(number)
            run = await served.wait_run()
            async with asyncio.timeout(20):
                while (now := served.find_run()) and now.state and now.state.state != "stopping":
                    await asyncio.sleep(0.01)
            trial.expect(served.process.poll() is None, "it was gone after the first signal")
            told = served.signal(number)
            code = await served.wait_exit()
            trial.within(f"gone after the second {number.name}", time.monotonic() - told, 1.0)
        trial.expect(code == EXIT_OK, f"{number.name}: exit code {code}: {served.output[-800:]}")
        trial.expect("Traceback" not in served.output, served.output[-800:])
        trial.expect("did not stop within" in served.output, "nobody says who was killed")
        trial.expect(not run.path.exists(), f"{run.path} is left")
