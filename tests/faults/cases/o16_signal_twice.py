"""A second signal does not wait for who is slow."""

from __future__ import annotations

import asyncio
import signal
import time

from harness import Trial, case

from dynamo_core.errors import EXIT_OK


@case(
    "O16",
    "SIGTERM or SIGINT twice: second one shortens the grace: gone <= 1 s; a third one kills at once; those who are "
    "killed are named; I4",
)
async def signal_twice(trial: Trial) -> None:
    for number, times in ((signal.SIGTERM, 2), (signal.SIGINT, 2), (signal.SIGINT, 3)):
        graces = [
            f"--{name}.ServiceArgs.supervision.stop_timeout_s=20" for name in ("Stubborn", "StubbornPair")
        ]
        async with trial.serve("StubbornPair", *graces) as served:
            await served.wait_ready()
            served.signal(number)
            run = await served.wait_run()
            async with asyncio.timeout(20):
                while (now := served.find_run()) and now.state and now.state.state != "stopping":
                    await asyncio.sleep(0.01)
            trial.expect(served.process.poll() is None, "it was gone after the first signal")
            told = served.signal(number)
            if times == 3:
                await served.wait_output("again: workers get")  # two that are pending are one
                told = served.signal(number)
            code = await served.wait_exit()
            limit_s = 1.0 if times == 2 else 0.4
            trial.within(f"gone after {number.name} number {times}", time.monotonic() - told, limit_s)
        trial.expect(code == EXIT_OK, f"{number.name}: exit code {code}: {served.output[-800:]}")
        trial.expect("Traceback" not in served.output, served.output[-800:])
        workers = ("Stubborn/0", "Stubborn/1", "StubbornPair/0")
        trial.expect(
            all(f"worker {each} " in served.output for each in workers) and "was killed" in served.output,
            f"who was killed: {served.output[-800:]}",
        )
        trial.expect(not run.path.exists(), f"{run.path} is left")
