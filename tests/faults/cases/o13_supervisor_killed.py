"""The supervisor is killed under load."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time

from harness import Run, Trial, case
from harness.processes import is_alive

from dynamo_circus.supervisor_process import SupervisorError

GONE_S = 0.5


@case(
    "O13",
    "all workers and their plain children gone <= 0.5 s; new connections refused; open calls fail typed <= 0.5 s",
    is_random=True,
)
async def kill_the_supervisor(trial: Trial) -> None:
    with contextlib.suppress(SupervisorError):
        async with trial.start("Work") as run:
            await kill_under_load(trial, run)


async def kill_under_load(trial: Trial, run: Run) -> None:
    client = run.client("Work")
    started = await trial.ledger.record(client.start_children, service="Work", deadline_s=5)
    pids = [*await run.pids("Work"), *started.answer]
    paths = [worker.path for worker in await run.workers("Work")]
    async with run.load("Work", deadline_s=3.0) as load:
        held = [
            asyncio.create_task(
                trial.ledger.record(lambda call_id: client.work(call_id, 20.0), service="Work", deadline_s=25)
            )
            for _ in range(4)
        ]
        await asyncio.sleep(0.2 + trial.random.random() * 0.3)
        killed = time.monotonic()
        os.kill(run.supervisor_pid, signal.SIGKILL)
        await trial.until(lambda: not any(map(is_alive, pids)), "workers and children are gone")
        trial.within("workers and children gone", time.monotonic() - killed, GONE_S)
        open_calls = await asyncio.gather(*held)
    for call in open_calls:
        trial.expect(call.outcome == "WorkerLostError", f"an open call: {call.outcome}: {call.error}")
        trial.within("an open call's error", call.ended - killed, GONE_S)
    outcomes = {call.outcome for call in load.failed}
    trial.see(f"{len(load.calls)} calls, {len(load.failed)} failed: {', '.join(sorted(outcomes))}")
    trial.expect(
        outcomes <= {"WorkerLostError", "ServiceUnavailableError", "deadline"}, f"outcomes {sorted(outcomes)}"
    )
    for path in paths:
        with socket.socket(socket.AF_UNIX) as sock:
            refused = sock.connect_ex(str(path))
        trial.expect(refused, f"somebody takes connections on {path}")
