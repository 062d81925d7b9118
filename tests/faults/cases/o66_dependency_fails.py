"""The start fails in a service that others wait for."""

from __future__ import annotations

import time

from harness import Trial, case

from dynamo_core.errors import EXIT_NOT_STARTED, StartError


@case(
    "O66",
    "the culprit is named and not those that wait for it; those never build their instances; exit code 6; I4",
)
async def fail_below(trial: Trial) -> None:
    began = time.monotonic()
    try:
        async with trial.start("Above"):
            trial.expect(False, "it was started")
    except StartError as error:
        trial.within("raises", time.monotonic() - began, 10.0)
        trial.see(str(error))
        trial.expect(error.service == "FailsInHook", f"the culprit is said to be {error.service}")
        trial.expect(
            error.last_lines and "no device" in error.last_lines[-1], f"last lines: {error.last_lines}"
        )
    trial.expect(not trial.service_ledger, f"those above were built: {trial.service_ledger}")
    async with trial.serve("Above") as served:
        code = await served.wait_exit()
    trial.expect(code == EXIT_NOT_STARTED, f"exit code {code}")
    trial.expect("FailsInHook" in served.output and "no device" in served.output, served.output)
    waiting = [line for line in served.output.splitlines() if "Above" in line and "rror" in line]
    trial.expect(not waiting, f"those above are blamed: {waiting}")
