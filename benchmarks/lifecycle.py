"""What a run costs beside its calls: start, memory, recovery after kill -9, idle processor time."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import calls, startup
from benchmarks.figures import Figure
from benchmarks.pinning import PLACE_VARIABLE
from benchmarks.processes import processes_of
from benchmarks.sides import NEEDS
from benchmarks.sides.living import ANSWERED, FIRST, RECOVER

START, START_HTTP = "start of two services to the first good answer", "the same, over HTTP"
MEMORY, MEMORY_HTTP = "memory of all processes then (PSS)", "the same, with HTTP"
RECOVERY, FAILED = "kill -9 of the backend: answers again after", "calls that failed then"
UNBEGUN = "of these, calls that the dead worker had not begun"
AGAIN, AGAIN_FAILED = "kill -9, idempotent calls: answers again after", "idempotent calls that failed then"
IDLE = f"processor time of {startup.IDLE_SERVICES} idle services"
ROWS: dict[str, tuple[str, str, float | None]] = {
    START: ("s", "floor", 0.5),
    START_HTTP: ("s", "", 0.7),
    MEMORY: ("MB", "floor", 110),
    MEMORY_HTTP: ("MB", "", 110),
    RECOVERY: ("s", "", 0.2),
    FAILED: ("calls", "", None),
    UNBEGUN: ("calls", "", 0),
    AGAIN: ("s", "", 0.2),
    AGAIN_FAILED: ("calls", "", 0),
    IDLE: ("% of a core", "", 3),
}
"""Unit, base of ratios, and limit of each."""

STARTED = ("floor", "http_unix", "grpc_unix", "ray_serve")
"""Sides whose two processes are started by their own module; those of BentoML are always behind HTTP."""
DRIVEN = {"bento"}
"""Sides whose module only looks on: it does not count for memory."""


def measure(rounds: int) -> list[Figure]:
    """Start, kill and watch every side that can be, in turn."""
    found = {
        work: Figure(part="startup", place="", work=work, unit=unit, values={}, base=base, limit=limit)
        for work, (unit, base, limit) in ROWS.items()
    }
    startup.compile_everything()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        startup.write_graphs(folder)
        startup.start_sockets(folder)  # fills caches
        for turn in range(rounds):
            print(f"round {turn + 1} of {rounds}: start, memory, recovery, idle", file=sys.stderr, flush=True)
            _start_all(folder, found)
            _recover_all(found)
            _note(found, "circus", (IDLE,), (startup.idle_percent(folder),))
    return list(found.values())


def _note(figures: dict[str, Figure], side: str, works: Sequence[str], values: Sequence[float]) -> None:
    for work, value in zip(works, values, strict=True):
        figures[work].values.setdefault(side, []).append(value)


def _start_all(folder: Path, figures: dict[str, Figure]) -> None:
    for side in (*STARTED, "bento"):
        works = (START_HTTP, MEMORY_HTTP) if side == "bento" else (START, MEMORY)
        try:
            found = start_side(side)
        except (OSError, RuntimeError) as exc:
            figures[works[0]].notes[side] = figures[works[1]].notes[side] = str(exc)
        else:
            _note(figures, side, works if found else (), found or ())
    _note(figures, "circus", (START, MEMORY), startup.start_sockets(folder))
    _note(figures, "circus", (START_HTTP, MEMORY_HTTP), startup.start_http(folder))


def _recover_all(figures: dict[str, Figure]) -> None:
    for side, works, options in (
        ("circus", (RECOVERY, FAILED), ()),
        ("circus", (AGAIN, AGAIN_FAILED), ("idempotent",)),
        ("bento", (RECOVERY, FAILED), ()),
        ("ray_serve", (RECOVERY, FAILED), ()),
    ):
        try:
            found = recover_side(side, *options)
        except (OSError, RuntimeError, subprocess.TimeoutExpired) as exc:
            for work in works:
                figures[work].notes[side] = str(exc)
            continue
        if found is None:
            continue
        _note(figures, side, works, (found["seconds"], found["failed"]))
        if FAILED in works and found["unbegun"] >= 0:
            _note(figures, side, (UNBEGUN,), (found["unbegun"],))
        if found["error"]:
            figures[works[1]].notes[side] = (
                f"{found['failed']} of {found['calls']}, the last with {found['error']}"
            )


def _interpreter_of(side: str) -> str | None:
    """What a side is run with; None where it is not installed or not wanted."""
    if side in calls.INTERPRETERS:
        return calls.INTERPRETERS[side]
    is_there = side not in NEEDS or calls.is_installed(NEEDS[side])
    return sys.executable if is_there and side in calls.CHOSEN else None


def start_side(side: str) -> tuple[float, float] | None:
    """Start a side until its first good answer.

    Returns:
        Seconds, and megabytes of all its processes then; None where it is not installed.

    Raises:
        RuntimeError: It did not answer.
    """
    with _running(side, FIRST) as (process, began):
        if process is None:
            return None
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == ANSWERED:
                family = processes_of(process.pid)
                return time.perf_counter() - began, startup.pss_mb(family[side in DRIVEN :])
        raise RuntimeError("it ended without an answer")


def recover_side(side: str, *options: str) -> dict[str, Any] | None:
    """Kill what a side calls.

    Returns:
        The fields of what it has shown; None where it is not installed.

    Raises:
        RuntimeError: It did not say.
    """
    with _running(side, RECOVER, *options) as (process, _):
        if process is None:
            return None
        try:
            told, _ = process.communicate(timeout=calls.START_S)
        except subprocess.TimeoutExpired:
            calls.interrupt(process)
            raise
        lines = [line for line in told.splitlines() if line.startswith("{")]
        if not lines:
            raise RuntimeError(f"it ended with exit status {process.returncode}")
        found: dict[str, Any] = json.loads(lines[-1])
        return found


@contextlib.contextmanager
def _running(side: str, *options: str) -> Iterator[tuple[subprocess.Popen[str] | None, float]]:
    """A side's module, in a session of its own, for as long as the block lasts."""
    python = _interpreter_of(side)
    if python is None:
        yield None, 0.0
        return
    command = [python, "-m", f"benchmarks.sides.{side}", *options]
    environ = {name: value for name, value in os.environ.items() if name != PLACE_VARIABLE}
    began = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=calls.ROOT,
        env={**environ, "PYTHONPATH": str(calls.ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process, began
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.stdin = None  # or communicate() would flush it
            try:
                process.wait(calls.STOP_S)
            except subprocess.TimeoutExpired:
                calls.interrupt(process)
