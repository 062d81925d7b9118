"""Processes, as tests look for them; where there is no ``/proc``, tests that need it are skipped."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import pytest

PROC: Final = Path("/proc")
GONE_S: Final = 10.0
_LOOK_S: Final = 0.02


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[0] not in {b"Z", b"X"}
    except OSError:
        return not PROC.exists()


def wait_until_gone(*pids: int) -> None:
    """Wait until none of these processes runs.

    Raises:
        AssertionError: One still does.
    """
    give_up = time.monotonic() + GONE_S
    left = [pid for pid in pids if is_alive(pid)]
    while left:
        if time.monotonic() > give_up:
            raise AssertionError(f"these processes were left behind: {left}")
        time.sleep(_LOOK_S)
        left = [pid for pid in left if is_alive(pid)]


def find_marked(mark: str) -> list[int]:
    """Processes, this one excepted, whose environment holds *mark*."""
    needs_proc()
    found = []
    for folder in PROC.iterdir():
        if folder.name.isdecimal() and folder.name != str(os.getpid()):
            try:
                if mark.encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue  # it has ended, or is somebody else's
    return [pid for pid in found if is_alive(pid)]


def wait_until_none_is_marked(mark: str) -> None:
    """Wait until no process has *mark* in its environment.

    Raises:
        AssertionError: One still has.
    """
    give_up = time.monotonic() + GONE_S
    while left := find_marked(mark):
        if time.monotonic() > give_up:
            raise AssertionError(f"these processes were left behind: {left}")
        time.sleep(_LOOK_S)


def command_lines() -> list[bytes]:
    """The command line of every process that can be read."""
    needs_proc()
    found = []
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            try:
                found.append((folder / "cmdline").read_bytes())
            except OSError:
                continue  # it has ended
    return found


def open_descriptors() -> int:
    """How many descriptors this process has open."""
    needs_proc()
    return len(list((PROC / "self" / "fd").iterdir()))


def needs_proc() -> None:
    """Skip the test where processes cannot be looked at."""
    if not PROC.is_dir():
        pytest.skip("there is no /proc to look for processes in")
