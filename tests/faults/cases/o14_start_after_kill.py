"""A run is started right after the supervisor of another one was killed, while a third one runs."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from harness import Run, Trial, case

from dynamo_circus.supervisor_process import SupervisorError


@case(
    "O14",
    "ready in normal time, nothing removed by hand; the dead run's directory is gone, "
    "a second live run's directory untouched",
)
async def start_after_kill(trial: Trial) -> None:
    async with trial.start("Work") as living, living.load("Work", rate=50) as load:
        before = content(trial.runs_folder / living.run_id)
        for with_guardian in (True, False):
            dead = await killed_run(trial, with_guardian=with_guardian)
            began = time.monotonic()
            async with trial.start("Work") as run:
                trial.within("ready", time.monotonic() - began, 3 * living.boot_s("Work") + 1.0)
                trial.expect(not dead.exists(), f"the dead run's directory is there: {dead}")
                record = await trial.ledger.record(run.client("Work").work, service="Work", deadline_s=5)
                trial.expect(record.outcome == "ok", f"the new run does not answer: {record.error}")
        after = content(trial.runs_folder / living.run_id)
    trial.expect(before == after, f"the living run had {sorted(before)}, now {sorted(after)}")
    trial.expect(not load.failed, f"{len(load.failed)} calls to the living run failed: {load.failed[:1]}")
    trial.see(f"living run answered {len(load.answered())} of {len(load.calls)}")


async def killed_run(trial: Trial, *, with_guardian: bool) -> Path:
    """The directory of a run whose supervisor, and perhaps guardian, was killed."""
    with contextlib.suppress(SupervisorError):
        async with trial.start("Work", leaves_files=True) as run:
            directory = trial.runs_folder / run.run_id
            trial.expect(directory.is_dir(), f"there is no {directory}")
            if with_guardian:
                for pid in guardians(run):
                    os.kill(pid, signal.SIGKILL)
            os.kill(run.supervisor_pid, signal.SIGKILL)
    return directory


def guardians(run: Run) -> list[int]:
    """The guardian of a run: the one with the run's id among its arguments that is no worker."""
    return [found.pid for found in run.processes() if run.run_id in found.argv]


def content(directory: Path) -> dict[str, int]:
    """Sockets of a run by name, with their inodes."""
    return {path.name: path.lstat().st_ino for path in directory.iterdir() if path.suffix == ".sock"}
