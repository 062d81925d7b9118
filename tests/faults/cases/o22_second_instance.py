"""The same graph runs twice; then a third one wants the first one's port."""

from __future__ import annotations

import asyncio
import time

from harness import Trial, case
from harness.processes import find_processes

from dynamo_core.errors import EXIT_NOT_STARTED


@case(
    "O22",
    "both run, neither loses a call; port taken: exit != 0 <= 2 s naming the port, no worker started, "
    "first instance unharmed",
)
async def run_twice(trial: Trial) -> None:
    async with trial.serve("Web", "--port=0") as first, trial.serve("Web", "--port=0") as second:
        status = await first.wait_ready()
        await second.wait_ready()
        web = status.find_service("Web")
        assert web is not None
        port = str(web.http_url).rsplit(":", 1)[1]
        async with await first.load("Work", rate=50) as one, await second.load("Work", rate=50) as two:
            await asyncio.sleep(trial.pick(2.0, 0.5))
            await want_port(trial, port)
            await asyncio.sleep(0.3)
    for name, load in (("first", one), ("second", two)):
        trial.see(f"{name} answered {len(load.answered())} of {len(load.calls)}")
        trial.expect(not load.failed, f"the {name} one failed: {load.failed[:1]}")


async def want_port(trial: Trial, port: str) -> None:
    """Serve on a port that is taken."""
    known = {found.pid for found in find_processes(str(trial.folder))}
    workers = set()
    async with trial.serve("Web", f"--port={port}") as third:
        while third.process.poll() is None:
            workers |= {
                found.pid
                for found in find_processes(str(trial.folder))
                if found.pid not in known and "dynamo_circus.worker" in found.argv
            }
            await asyncio.sleep(0.05)
        trial.within("refused", time.monotonic() - third.began, 2.0)
        code = await third.wait_exit()
    trial.see(f"exit code {code}: {third.output.strip()!r}")
    trial.expect(code == EXIT_NOT_STARTED, f"exit code {code}")
    trial.expect(port in third.output, f"the port is not named: {third.output!r}")
    trial.expect("Traceback" not in third.output, third.output)
    trial.expect(not workers, f"{len(workers)} workers were started")
