"""Somebody clears up what a run needs, while it serves."""

from __future__ import annotations

import asyncio
import shutil
import stat
import time
from pathlib import Path

from harness import CallRecord, Load, Run, Trial, case
from harness.callers import callers, members_of
from harness.kills import kill_worker

from dynamo_core import with_options
from dynamo_core.control import list_runs
from dynamo_core.control.client import ControlClient

NOTICED_S = 5.0


@case(
    "O49",
    "open connections unharmed; noticed <= 5 s; socket re-created or service degraded with reason; stop works, I4",
    limit_s=90,
)
async def clear_up(trial: Trial) -> None:
    async with trial.start("Work") as run, run.load("Work", rate=50) as load:
        directory = trial.runs_folder / run.run_id
        held = [hold(trial, run, slot) for slot in (0, 1)]
        await asyncio.sleep(0.2)
        await lose(trial, run, directory / "w0-0.sock")
        await lose(trial, run, directory / "control.sock")
        await lose(trial, run, directory / "notify.sock")
        await check_whole(trial, run, load)
        await lose(trial, run, directory / "state.json")
        await lose(trial, run, directory)
        await check_whole(trial, run, load)
        for call in await asyncio.gather(*held):
            trial.expect(call.outcome == "ok", f"a call that was open: {call.error}")
        await take_the_place(trial, run, directory)
    trial.see(f"{len(load.calls)} calls, {len(load.failed)} failed in 2 kills")
    told = [event.detail for _, event in run.events.find("message")]
    trial.expect(any("made anew" in text for text in told), f"nobody was told: {told}")


def hold(trial: Trial, run: Run, slot: int) -> asyncio.Task[CallRecord]:
    """A call to one slot that is open while paths are removed."""
    client = with_options(run.client("Work"), routing=slot, timeout_s=60)
    return asyncio.create_task(
        trial.ledger.record(
            lambda call_id: client.work(call_id, trial.pick(6.0, 3.0)), service="Work", deadline_s=60
        )
    )


def remove(path: Path) -> None:
    """Remove a path at once, also while the supervisor writes into it."""
    if not path.is_dir():
        path.unlink()
        return
    aside = path.rename(path.with_name("aside"))
    while aside.exists():
        shutil.rmtree(aside, ignore_errors=True)


async def lose(trial: Trial, run: Run, path: Path) -> None:
    """Remove one path, and wait until it leads somewhere again."""
    remove(path)
    began = time.monotonic()
    wanted = ("control.sock", "notify.sock", "state.json", "w0-0.sock", "w0-1.sock")
    paths = [path / name for name in wanted] if path.name == run.run_id else [path]
    await trial.until(lambda: all(each.exists() for each in paths), f"{path.name} is there again", 15.0)
    trial.within("made anew", time.monotonic() - began, NOTICED_S)
    for each in paths:
        mode = stat.S_IMODE(each.stat().st_mode)
        trial.expect(mode == 0o600, f"{each.name} has mode {mode:o}")


async def check_whole(trial: Trial, run: Run, load: Load) -> None:
    """Everything works as before: new callers, commands, new workers, and the list of runs."""
    directory = trial.runs_folder / run.run_id
    trial.expect(stat.S_IMODE(directory.stat().st_mode) == 0o700, "the directory's mode has changed")
    async with ControlClient(directory / "control.sock", run.run_id) as control:
        await control.status()
    found = list_runs(trial.runs_folder)
    trial.expect([each.is_alive for each in found] == [True], f"runs: {found}")
    definition = trial.graph("Work").find_service("Work")
    async with callers(definition, await members_of(run, "Work"), run.run_id) as clients:
        for slot in (0, 1):
            client = with_options(clients[0], routing=slot, timeout_s=5)
            record = await trial.ledger.record(client.work, service="Work", deadline_s=5)
            trial.expect(record.outcome == "ok", f"a new caller of slot {slot}: {record.error}")
    trial.expect(not load.failed, f"{len(load.failed)} calls failed: {load.failed[:1]}")


async def take_the_place(trial: Trial, run: Run, directory: Path) -> None:
    """Workers can still be replaced; then something else is put where the directory was."""
    for slot in (0, 1):
        kill = await kill_worker(run, "Work", slot)
        await run.events.wait("ready", "Work", slot, after=kill.when)
    remove(directory)
    directory.write_text("not a directory")
    when = time.monotonic()
    _, event = await run.events.wait("message", "Work", after=when, timeout_s=15)
    trial.within("told", time.monotonic() - when, NOTICED_S)
    trial.see(event.detail)
    trial.expect(run.run_id in event.detail, f"the reason is not told: {event.detail}")
    record = await trial.ledger.record(run.client("Work").work, service="Work", deadline_s=5)
    trial.expect(record.outcome == "ok", f"an open connection: {record.error}")
    directory.unlink()
