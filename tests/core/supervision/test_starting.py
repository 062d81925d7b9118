"""Starting worker processes, and telling how they ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from dynamo_core.provider import LogLine
from dynamo_core.supervision.output import WorkerOutput
from dynamo_core.supervision.starting import describe_end, start_worker

SHOW = """
import os, sys
print(os.getpid() == os.getsid(0) == os.getpgrp(), os.getcwd(), dict(os.environ).get("MARK"), flush=True)
found = os.listdir("/proc/self/fd")
print([fd for fd in map(int, found) if fd > 2 and os.path.exists(f"/proc/self/fd/{fd}")], file=sys.stderr, flush=True)
"""


def make_output(written: list[LogLine]) -> WorkerOutput:
    return WorkerOutput(asyncio.get_running_loop(), written.extend, service="Backend", slot=0)


def open_descriptors() -> set[str]:
    return {path.name for path in list(Path("/proc/self/fd").iterdir()) if path.exists()}


def start(argv: list[str], output: WorkerOutput, folder: Path, *, inherited: tuple[int, ...] = ()) -> int:
    process = start_worker(
        argv,
        env={"MARK": "x"},
        cwd=folder,
        inherited=inherited,
        closed_after=inherited,
        output=output,
    )
    return process.wait()


async def test_worker_gets_what_it_shall_have_and_nothing_else(tmp_path: Path) -> None:
    """A session of its own, its environment, its directory, its descriptors."""
    written: list[LogLine] = []
    output = make_output(written)
    with Path(os.devnull).open() as other:
        os.set_inheritable(other.fileno(), True)
        given = os.open(os.devnull, os.O_RDONLY)
        assert start([sys.executable, "-c", SHOW], output, tmp_path, inherited=(given,)) == 0
        output.finish()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(given)
    assert {line.stream: line.text for line in written} == {
        "stdout": f"True {tmp_path} x",
        "stderr": f"[{given}]",
    }


async def test_failed_start_leaves_no_descriptor(tmp_path: Path) -> None:
    """Neither the pipes nor what the worker would have inherited."""
    output = make_output([])
    before = open_descriptors()
    with pytest.raises(FileNotFoundError):
        start([str(tmp_path / "nothing")], output, tmp_path, inherited=(os.open(os.devnull, os.O_RDONLY),))
    assert open_descriptors() == before


async def test_want_of_descriptors_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one pipe, and no second one."""
    make_pipe = os.pipe
    pipes = iter([make_pipe])

    def pipe() -> tuple[int, int]:
        for make in pipes:
            return make()
        raise OSError(24, "Too many open files")

    output = make_output([])
    before = open_descriptors()
    monkeypatch.setattr(os, "pipe", pipe)
    with pytest.raises(OSError, match="Too many open files"):
        start([sys.executable], output, tmp_path, inherited=(os.open(os.devnull, os.O_RDONLY),))
    assert open_descriptors() == before


@pytest.mark.parametrize(
    ("status", "was_ready", "words"),
    [
        (3, False, "exited with status 3 before it was ready"),
        (0, True, "exited with status 0 while it served"),
        (-signal.SIGKILL, True, "was killed by signal 9 (SIGKILL) while it served"),
        (-(signal.SIGRTMIN + 1), True, f"was killed by signal {signal.SIGRTMIN + 1} while it served"),
        (None, True, "ended while it served (something else took its exit status)"),
    ],
)
def test_end_is_told(status: int | None, was_ready: bool, words: str) -> None:
    """With the name of a signal that has one."""
    assert describe_end(status, was_ready=was_ready) == words
