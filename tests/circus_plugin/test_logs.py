"""What workers of real runs write: told apart, whole, bounded, and kept in files."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dynamo_circus import ArbiterHandle, CircusDeploymentTarget
from dynamo_core.errors import EXIT_CONFIG, ConfigError, DynamoError
from dynamo_core.loader import load_graph
from dynamo_core.provider import LogLine
from dynamo_core.provider.binding import run_graph

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="supervision is built on Linux")


@contextlib.asynccontextmanager
async def running(graphs: Path, **options: Any) -> Any:
    graph = load_graph(f"{graphs}/talkative.py:Caller")
    async with run_graph(CircusDeploymentTarget(), graph, options=options) as arbiter:
        assert isinstance(arbiter, ArbiterHandle)
        yield arbiter


async def lines_until(arbiter: ArbiterHandle, *last: str) -> list[LogLine]:
    """Lines of the run until there is one that ends with each of *last*: two streams have no common order."""
    found: list[LogLine] = []
    missing = set(last)
    async with asyncio.timeout(30), contextlib.aclosing(arbiter.logs()) as lines:  # type: ignore[type-var]
        async for line in lines:
            found.append(line)
            missing -= {each for each in missing if line.text.endswith(each)}
            if not missing:
                return found
    raise AssertionError(f"{missing!r} was never written")


async def test_records_tell_worker_stream_level_and_time(runs: Path, graphs: Path) -> None:
    """Of whatever a worker writes in whatever way, this project's own records included."""
    async with running(graphs) as arbiter:
        await arbiter.client("Talkative").say()
        lines = {line.text: line for line in await lines_until(arbiter, "the end", "xff")}
    assert {(line.service, line.slot) for line in lines.values()} == {("Talkative", 0)}
    told = {text: (line.stream, line.level) for text, line in lines.items()}
    assert told["printed"] == ("stdout", "info")
    assert told["to standard error"] == ("stderr", "")
    assert told["WARNING: talkative: logged"] == ("stderr", "warning")
    assert told["ERROR: dynamo_core.test: by the library"] == ("stderr", "error")
    assert told["Caller/0 | forged"] == ("stdout", "info")
    assert told["\\x1b[2Jescaped\\x00\\rand \\xff"] == ("stdout", "info")
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.time) for line in lines.values())


async def test_workers_are_not_kept_by_a_program_that_does_not_read(runs: Path, graphs: Path) -> None:
    """A flood passes the supervisor although nobody reads its standard error; another service answers meanwhile."""
    read, write = os.pipe()
    kept = os.dup(2)
    os.dup2(write, 2)
    os.close(write)
    try:
        async with running(graphs) as arbiter:
            async with asyncio.timeout(40):
                flooding = asyncio.ensure_future(asyncio.to_thread(arbiter.client("Talkative").flood, 20))
                while not flooding.done():
                    assert await arbiter.client("Caller").ping() == "pong"
                await flooding
            last = (await lines_until(arbiter, "flood is over"))[-1]
            assert last.slot == 0
            os.dup2(kept, 2)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(read)


async def test_one_endless_line_becomes_several_records(runs: Path, graphs: Path) -> None:
    """And the next line is whole."""
    async with running(graphs) as arbiter:
        await asyncio.to_thread(arbiter.client("Talkative").write_long, 1_000_000)
        lines = await lines_until(arbiter, "after the long one")
    parts = [line.text for line in lines if line.text.startswith("x")]
    assert sum(map(len, parts)) == 1_000_000
    assert max(map(len, parts)) == 65_536


async def test_lines_of_two_workers_never_mix(runs: Path, graphs: Path, tmp_path: Path) -> None:
    """Whatever lengths they are cut at on their way."""
    async with running(graphs, log_dir=tmp_path / "logs") as arbiter:
        await arbiter.scale("Talkative", 3)
        talkative = arbiter.client("Talkative")
        await asyncio.gather(*(asyncio.to_thread(talkative.write_numbers, 2000) for _ in range(6)))
    written = (tmp_path / "logs" / "Talkative.log").read_text().splitlines()
    numbers = [line for line in written if not line.endswith("| goodbye")]
    assert (len(numbers), len(written)) == (6 * 2000, 6 * 2000 + 3)
    assert all(re.fullmatch(r"\S+Z Talkative/[0-2] stdout info \| (\d+)( \1)*", line) for line in numbers)


async def test_log_files_are_one_per_service_and_private(runs: Path, graphs: Path, tmp_path: Path) -> None:
    """What a worker wrote when it ended is in them too."""
    folder = tmp_path / "logs"
    async with running(graphs, log_dir=folder, log_format="json") as arbiter:
        await arbiter.client("Talkative").say()
    assert oct(folder.stat().st_mode & 0o777) == "0o700"
    assert oct((folder / "Talkative.log").stat().st_mode & 0o777) == "0o600"
    records = [json.loads(line) for line in (folder / "Talkative.log").read_text().splitlines()]
    assert [record["text"] for record in records][-1] == "goodbye"
    assert {record["service"] for record in records} == {"Talkative"}


async def test_run_whose_log_files_are_links_serves_on(runs: Path, graphs: Path, tmp_path: Path) -> None:
    """The link is not followed; the file is begun once it is gone."""
    folder, target = tmp_path / "logs", tmp_path / "target"
    folder.mkdir(mode=0o700)
    (folder / "Talkative.log").symlink_to(target)
    async with running(graphs, log_dir=folder) as arbiter:
        await arbiter.client("Talkative").say()
        await lines_until(arbiter, "the end")
        assert not target.exists()
        (folder / "Talkative.log").unlink()
        async with asyncio.timeout(30):
            while not (folder / "Talkative.log").exists():
                await arbiter.client("Talkative").say()
                await asyncio.sleep(0.05)
    first, *_ = (folder / "Talkative.log").read_text().splitlines()
    assert first.endswith("lines were dropped: the log file could not be written")


async def test_unusable_log_directory_is_told_before_anything_starts(
    runs: Path, graphs: Path, tmp_path: Path
) -> None:
    """As an error of the configuration."""
    folder = tmp_path / "logs"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(DynamoError, match="others can write to it") as caught:
        async with running(graphs, log_dir=folder):
            pass
    assert caught.value.exit_code == EXIT_CONFIG


def dynamo(*words: str) -> list[str]:
    return [sys.executable, "-m", "dynamo_core", *words]


def test_served_graph_writes_records_only(runs: Path, graphs: Path, tmp_path: Path) -> None:
    """From the first line to the last: workers, the run, and what the module says on import."""
    target = f"{graphs}/talkative.py:Caller"
    with (tmp_path / "err").open("wb") as err:
        serving = subprocess.Popen(dynamo("serve", target, "--log-format", "json"), stderr=err)
        try:
            for words in (("wait", "--timeout", "50"), ("call", "Talkative.say"), ("restart", "Talkative")):
                subprocess.run(dynamo(*words), check=True, capture_output=True)
        finally:
            serving.send_signal(signal.SIGINT)
            assert serving.wait(50) == 0
    records = [json.loads(line) for line in (tmp_path / "err").read_text().splitlines()]
    texts = [record["text"] for record in records]
    assert {"printed", "to standard error", "goodbye"} <= set(texts)
    told = [record.get("event") for record in records if record["stream"] == "run"]
    assert told[:2] == ["ready", "ready"]
    assert {"message", "stopping"} <= set(told)
    assert told[-1] == "stopped"


def test_options_are_checked() -> None:
    """Before anything else."""
    target = CircusDeploymentTarget()
    for wrong in ({"log_format": "xml"}, {"log_max_bytes": 1000}, {"log_keep": -1}, {"reload": "yes"}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            target.read_options(wrong)


def test_culprit_of_a_failed_start_is_heard_once(runs: Path, graphs: Path) -> None:
    """Its last lines, just above, are not told again with the error; a program gets them with it."""
    words = dynamo("serve", f"{graphs}/broken.py:RaisesInConstructor")
    err = subprocess.run(words, check=False, capture_output=True, text=True).stderr
    assert err.count("RuntimeError: the model is missing") == 1
    assert err.rstrip().endswith("did not start: exited with status 1 before it was ready")
    done = subprocess.run([*words, "--log-format", "json"], check=False, capture_output=True, text=True)
    record = json.loads(done.stderr.splitlines()[-1])
    assert record["last_lines"][-1] == "RuntimeError: the model is missing"
