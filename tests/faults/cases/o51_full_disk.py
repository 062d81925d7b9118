"""Logs on a full disk, and log paths that are links."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from pathlib import Path

from harness import Run, Trial, case
from harness.served import Served, serve_words

from dynamo_core.errors import ConfigError

GRAPH = "log_services.py:Loud"
KIB = 1024
FULL_BYTES = 256 * KIB
PART = b"T-Loud z\n" * 1000  # short lines, which are longer in a file than where people see them


@case("O51", "serving goes on, one warning, resumes; link not followed")
async def fill_the_disk(trial: Trial) -> None:
    await no_room(trial)
    await links(trial)
    await output_to_full(trial)


async def no_room(trial: Trial) -> None:
    """Files of the supervisor may not grow past a size, and later they may."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_BYTES, limits[1]))
    try:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        await write_with_no_room(trial, limits)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def write_with_no_room(trial: Trial, limits: tuple[int, int]) -> None:
    logs = trial.folder / "logs"
    async with trial.start(GRAPH, log_dir=logs) as run, run.load("Work", rate=50) as load:
        client = run.client("Loud")
        for _ in range(10):
            await asyncio.to_thread(client.write, PART)
            await asyncio.sleep(0.02)
        file = logs / "Loud.log"
        await trial.until(lambda: warnings_about(trial, "Loud.log"), "the disk is full")
        await asyncio.sleep(trial.pick(2.5, 1.2))
        full_bytes = file.stat().st_size
        trial.expect(full_bytes <= FULL_BYTES, f"{full_bytes} bytes where {FULL_BYTES} fit")
        resource.prlimit(run.supervisor_pid, resource.RLIMIT_FSIZE, limits)
        await asyncio.sleep(1.1)  # it is tried again every second
        await asyncio.to_thread(client.write, b"T-Loud after\n")
        await trial.until(lambda: "T-Loud after" in file.read_text(), "the log goes on", 10.0)
    trial.expect(not load.failed, f"{len(load.failed)} calls failed: {load.failed[:1]}")
    lines = file.read_text().split("\n")
    trial.expect(all(not line or " | " in line for line in lines), "a line was cut")
    lost = [line for line in lines if "dropped" in line]
    trial.expect(len(lost) == 1, f"what is missing is told {len(lost)} times: {lost[:2]}")
    trial.see(f"full at {full_bytes} bytes; then {lost[0].split('| ')[-1] if lost else 'nothing'}")
    check_warnings(trial, "Loud.log", 1)


def warnings_about(trial: Trial, name: str) -> list[str]:
    """What was said about a log file that cannot be written."""
    output = (trial.folder / "output").read_text(errors="replace")
    return [line for line in output.splitlines() if name in line and "cannot be written" in line]


def check_warnings(trial: Trial, name: str, count: int) -> None:
    warnings = warnings_about(trial, name)
    trial.expect(len(warnings) == count, f"{len(warnings)} warnings about {name}: {warnings[:3]}")


async def links(trial: Trial) -> None:
    """A link at a file's path is not followed, one at the directory's path refused, before anything starts."""
    victim = trial.folder / "victim"
    victim.write_text("precious\n")
    logs = trial.folder / "linked"
    logs.mkdir(mode=0o700)
    (logs / "Loud.log").symlink_to(victim)
    os.link(victim, logs / "Work.log")
    async with trial.start(GRAPH, log_dir=logs) as run:
        await check_serving(trial, run)
    trial.expect(victim.read_text() == "precious\n", "the link was followed")
    trial.expect((logs / "Loud.log").is_symlink(), "the link was replaced")
    check_warnings(trial, "linked/Loud.log", 1)
    (trial.folder / "elsewhere").mkdir()
    (trial.folder / "alias").symlink_to(trial.folder / "elsewhere")
    try:
        async with trial.start(GRAPH, log_dir=trial.folder / "alias"):
            trial.expect(False, "a directory that is a link is taken")
    except ConfigError as error:
        trial.expect("link" in str(error), f"refused with {error!r}")
        trial.see(str(error))
    trial.expect(
        list((trial.folder / "elsewhere").iterdir()) == [], "something was put into the link's target"
    )
    trial.expect(not trial.events.find("spawned"), "workers were spawned")


async def check_serving(trial: Trial, run: Run) -> None:
    client = run.client("Loud")
    await asyncio.to_thread(client.write, b"T-Loud linked\n")
    await asyncio.sleep(0.3)
    for service in ("Work",):
        record = await trial.ledger.record(run.client(service).work, service=service, deadline_s=5)
        trial.expect(record.outcome == "ok", f"{record.error}")


async def output_to_full(trial: Trial) -> None:
    """Nobody can be shown anything."""
    words = serve_words(str(Path(__file__).parents[1] / GRAPH), [])
    served = Served(trial.graph(GRAPH), words, trial.runs_folder, Path("/dev/full"), trial.ledger)
    try:
        await served.wait_ready()
        loud = await served.client("Loud")
        for _ in range(5):
            await asyncio.to_thread(loud.write, PART)
        work = await served.client("Work")
        record = await trial.ledger.record(work.work, service="Work", deadline_s=5)
        trial.expect(record.outcome == "ok", f"with output to /dev/full: {record.error}")
    finally:
        await served.aclose()
    code = await served.wait_exit()
    trial.expect(code == 0, f"with output to /dev/full: exit code {code}")
    await trial.check_nothing_left(None)
