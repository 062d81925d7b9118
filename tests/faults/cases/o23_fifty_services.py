"""Fifty services, one process each."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from pathlib import Path

from harness import Run, Trial, case
from harness.many import write_graph


@case(
    "O23",
    "all ready <= 50 x boot / cores x 1.5; stop <= 2 s; idle <= 3 % of a core; I4, I5",
    limit_s=150,
)
async def run_fifty(trial: Trial) -> None:
    count = trial.pick(50, 8)
    graph = write_graph(trial.folder / "fifty.py", count)
    boots_s = []
    for _ in range(3):  # one alone may be lucky, with every core busy
        async with trial.start(f"{graph}:S0") as run:
            boots_s.append(run.boot_s("S0"))
    boot_s = statistics.median(boots_s)
    began = time.monotonic()
    async with trial.start(f"{graph}:Hub") as run:
        limit_s = count * boot_s / (os.cpu_count() or 1) * 1.5
        trial.within(f"all ready (boot {boot_s:.2f} s)", time.monotonic() - began, limit_s)
        hub = run.client("Hub")
        answer = await hub.ask("once")
        trial.expect(answer == ["once"] * (count - 1), f"not all have answered: {len(answer)}")
        await measure_idle(trial, run)
        left_at = time.monotonic()
    trial.within("stopped", time.monotonic() - left_at, 2.0)


async def measure_idle(trial: Trial, run: Run) -> None:
    """What a run costs that does nothing."""
    await asyncio.sleep(trial.pick(1.0, 0.1))
    pids = [found.pid for found in run.processes()]
    if run.supervisor_pid not in pids:
        pids.append(run.supervisor_pid)
    before, began = {pid: cpu_s(pid) for pid in pids}, time.monotonic()
    await asyncio.sleep(trial.pick(5.0, 0.5))
    passed = time.monotonic() - began
    used = {pid: cpu_s(pid) - before[pid] for pid in pids}
    share = 100 * sum(used.values()) / passed
    trial.see(
        f"{len(pids)} processes idle at {share:.1f} % of a core, the supervisor at "
        f"{100 * used[run.supervisor_pid] / passed:.1f} %"
    )
    if trial.is_timed:
        trial.expect(share <= 3.0, f"idle at {share:.1f} % of a core")


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
