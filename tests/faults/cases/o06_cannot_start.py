"""A constructor or a start hook raises, every time."""

from __future__ import annotations

import time

from harness import Trial, case

from dynamo_core.errors import StartError


@case(
    "O06",
    "run_services raises <= ready_timeout, naming service, exit code, last lines; <= 3 spawns; I4",
)
async def raise_in_constructor_and_hook(trial: Trial) -> None:
    for entry, last_line in (("FailsInConstructor", "the model is missing"), ("FailsInHook", "no device")):
        began = time.monotonic()
        try:
            async with trial.start(entry):
                trial.expect(False, f"{entry} was started")
        except StartError as error:
            trial.within("raises", time.monotonic() - began, 10.0)
            trial.see(f"{error}; {error.last_lines[-1:]}")
            trial.expect(error.service == entry, f"the error names {error.service}")
            trial.expect(entry in str(error), f"the error's text does not name {entry}: {error}")
            trial.expect("status 1" in str(error), f"the exit code is missing: {error}")
            trial.expect(
                error.last_lines and last_line in error.last_lines[-1], f"last lines: {error.last_lines}"
            )
        spawns = trial.events.find("spawned")
        trial.see(f"{len(spawns)} spawns")
        trial.expect(len(spawns) <= 3, f"{len(spawns)} spawns")
