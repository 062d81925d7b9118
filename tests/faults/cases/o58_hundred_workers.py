"""Fifty services with two workers each."""

from __future__ import annotations

import time
from pathlib import Path

from harness import Trial, case
from harness.many import write_graph


@case(
    "O58",
    "50 services x 2 workers: starts, answers through all of them, stops clean; time and memory",
    limit_s=180,
)
async def run_hundred_workers(trial: Trial) -> None:
    count = trial.pick(50, 4)
    graph = write_graph(trial.folder / "hundred.py", count, workers=2)
    began = time.monotonic()
    async with trial.start(f"{graph}:Hub") as run:
        trial.see(f"ready after {time.monotonic() - began:.1f} s")
        hub = run.client("Hub")
        for _ in range(4):  # so that both workers of each service are called
            answer = await hub.ask("once")
            trial.expect(answer == ["once"] * (count - 1), f"not all have answered: {len(answer)}")
        status = await run.arbiter.status()
        ready = sum(service.ready_workers for service in status.services)
        trial.expect(ready == 2 * count, f"{ready} workers are ready")
        pids = {found.pid for found in run.processes()} | {run.supervisor_pid}
        pss = {pid: pss_kib(pid) for pid in pids}
        trial.see(
            f"{len(pids)} processes, PSS {sum(pss.values()) / 1024:.0f} MiB, "
            f"the supervisor's {pss[run.supervisor_pid] / 1024:.0f} MiB"
        )
        left_at = time.monotonic()
    trial.see(f"stopped after {time.monotonic() - left_at:.2f} s")


def pss_kib(pid: int) -> int:
    """Memory of a process, shared pages divided among those that share them."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
