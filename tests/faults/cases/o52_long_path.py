"""A run's directory would lie so deep that its sockets' paths are too long."""

from __future__ import annotations

import os
import time
from pathlib import Path

from harness import Trial, case

from dynamo_core.errors import EXIT_NOT_STARTED, RunDirectoryError

LONGEST_BYTES = 107
SUFFIX = "/0123456789abcdef/w999-9999.sock"
LIMIT_BYTES = 100  # the kernel's limit, and room for a name beside the socket


@case("O52", "shorter private directory or refusal naming the length; before any spawn")
async def run_deep_down(trial: Trial) -> None:
    deep = trial.folder / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True, mode=0o700)
    length = len(str(deep) + SUFFIX)
    os.environ["DYNAMO_RUNTIME_DIR"] = str(deep)
    try:
        async with trial.start("Work"):
            trial.expect(False, f"it runs in {deep}")
    except RunDirectoryError as error:
        trial.see(str(error)[:120])
        trial.expect(str(length) in str(error), f"the length {length} is not named: {error}")
        trial.expect("DYNAMO_RUNTIME_DIR" in str(error), f"no remedy: {error}")
    spawned = trial.events.find("spawned")
    trial.expect(not spawned, f"{len(spawned)} workers were spawned")
    trial.expect(list(deep.iterdir()) == [], f"left in {deep}: {list(deep.iterdir())}")
    await serve_deep_down(trial, length)
    await use_a_shorter_one(trial, deep)
    await use_the_longest(trial)


async def serve_deep_down(trial: Trial, length: int) -> None:
    async with trial.serve("Work") as served:
        code = await served.wait_exit()
        trial.within("refused", time.monotonic() - served.began, 5.0)
        trial.expect(code == EXIT_NOT_STARTED, f"exit code {code}: {served.output}")
        trial.expect(str(length) in served.output and "Traceback" not in served.output, served.output)


async def use_a_shorter_one(trial: Trial, deep: Path) -> None:
    """Nobody has asked for this very folder, so another one will do."""
    del os.environ["DYNAMO_RUNTIME_DIR"]
    os.environ["XDG_RUNTIME_DIR"] = os.environ["TMPDIR"] = str(deep)
    await run_once(trial, "beside a deep temporary folder")


async def use_the_longest(trial: Trial) -> None:
    """One byte more is refused."""
    for length, is_short_enough in ((LIMIT_BYTES, True), (LIMIT_BYTES + 1, False)):
        room = length - len(str(trial.folder) + "/" + SUFFIX)
        os.environ["DYNAMO_RUNTIME_DIR"] = str(trial.folder / ("x" * room))
        try:
            await run_once(trial, f"with paths of up to {length} bytes")
            trial.expect(is_short_enough, f"a path of {length} bytes is taken")
        except RunDirectoryError as error:
            trial.expect(not is_short_enough, f"a path of {length} bytes is refused: {error}")


async def run_once(trial: Trial, where: str) -> None:
    async with trial.start("Work", "--Work.ServiceArgs.workers=1") as run:
        path = str((await run.workers("Work"))[0].path)
        record = await trial.ledger.record(run.client("Work").work, service="Work", deadline_s=5)
        trial.expect(record.outcome == "ok", f"{where}: {record.error}")
    trial.expect(len(path) <= LONGEST_BYTES, f"{where}: {path} has {len(path)} bytes")
    trial.expect(not Path(path).parent.exists(), f"{where}: {Path(path).parent} is left")
