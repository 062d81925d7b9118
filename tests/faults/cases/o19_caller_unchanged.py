"""The caller of ``run_services`` is a program of its own, and stays what it was."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from harness import Trial, case

PROGRAM = Path(__file__).parents[1] / "programs" / "unchanged.py"


@case(
    "O19",
    "before = after for signal handlers, umask, root log handlers, Thread._delete, event-loop policy, cwd, sys.path; "
    "exit codes of its own subprocess and multiprocessing children right 10 of 10",
)
async def look_at_the_caller(trial: Trial) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", str(PROGRAM), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await child.communicate()
    trial.expect(child.returncode == 0, f"the program ended with status {child.returncode}")
    seen = json.loads(printed.splitlines()[-1])
    trial.see(f"changed after: {seen['after'] or 'nothing'}, meanwhile: {seen['during'] or 'nothing'}")
    trial.see(f"right exit codes {seen['right']} of {seen['rounds']}")
    trial.expect(not seen["after"], f"the run has changed {seen['after']}")
    trial.expect(not seen["during"], f"the run changes {seen['during']} while it lasts")
    trial.expect(seen["answered"], "no answer")
    for kind, right in seen["right"].items():
        trial.expect(right == seen["rounds"], f"{right} of {seen['rounds']} exit codes of {kind} were right")
    await trial.check_nothing_left(None)
