"""Whoever kills the supervisor leaves no worker behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dynamo_bentoml.supervisor.guardian import Guardian
from dynamo_bentoml.supervisor.guardian_process import OWNER_VARIABLE, kill_marked

from .runs_for_tests import eventually

PAUSE = [sys.executable, "-c", "import signal; signal.pause()"]


def start(owner: str) -> subprocess.Popen[bytes]:
    """A process in a session of its own, marked."""
    return subprocess.Popen(
        PAUSE, env={**os.environ, OWNER_VARIABLE: owner}, start_new_session=True, stdin=subprocess.DEVNULL
    )


def test_marked_processes_are_killed_and_no_others() -> None:
    """A mark is the beginning of an owner."""
    ours, theirs = start("run-a/Backend/0.1"), start("run-b/Backend/0.1")
    try:
        eventually(lambda: kill_marked(["run-a/"]))
        assert ours.wait(10) == -9
        assert theirs.poll() is None
    finally:
        for process in (ours, theirs):
            process.kill()
            process.wait()


def test_guardian_kills_groups_when_the_line_ends_without_a_word(tmp_path: Path) -> None:
    """As it does when its supervisor is killed; then it removes the run's directory."""
    folder = tmp_path / "run-c"
    (folder / "metrics").mkdir(parents=True)
    guardian = Guardian("run-c", folder)
    grouped, stray, forgotten = start("x"), start("run-c/Backend/0.1"), start("y")
    try:
        for process in (grouped, forgotten):
            guardian.register(process.pid)
        guardian.unregister(forgotten.pid)
        os.close(guardian._line)
        assert grouped.wait(10) == -9
        assert stray.wait(10) == -9
        assert guardian._process.wait(10) == 0
        assert forgotten.poll() is None
        assert not folder.exists()
    finally:
        for process in (grouped, stray, forgotten):
            process.kill()
            process.wait()


def test_guardian_leaves_everything_when_it_is_told_that_all_is_well(tmp_path: Path) -> None:
    """And ends."""
    guardian = Guardian("run-d", tmp_path)
    process = start("z")
    try:
        guardian.register(process.pid)
        guardian.close()
        assert guardian._process.returncode == 0
        assert process.poll() is None
        assert tmp_path.exists()
    finally:
        process.kill()
        process.wait()
