"""The program that called ``run_services`` dies, by signals that it does not see."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

from harness import Trial, case

PROGRAM = Path(__file__).parents[1] / "programs" / "run_and_wait.py"
GRACE_S = 3.0


@case("O61", "kill -9, SIGTERM, SIGHUP of the caller: the run stops by itself <= grace + 1 s; I4")
async def kill_the_caller(trial: Trial) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP):
        child = await asyncio.create_subprocess_exec(
            sys.executable, str(PROGRAM), "Work", stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        line = await asyncio.wait_for(child.stdout.readline(), 30)
        trial.expect(line == b"ready\n", f"the program said {line!r}")
        killed = time.monotonic()
        child.send_signal(number)
        await child.wait()
        await trial.check_nothing_left(None, within_s=GRACE_S + 1)
        trial.within(f"nothing left after {number.name}", time.monotonic() - killed, GRACE_S + 1)
