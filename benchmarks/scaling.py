"""What more workers and more services cost: start to the first good answer, memory, and calls.

One service depends on all others; a request over HTTP makes it call the first of them, and put that under load.
The floor is as many bare servers of :mod:`benchmarks.floor` with one caller, which has a connection to each.
Nothing is pinned: how the system spreads processes is part of it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from benchmarks.calls import CHOSEN, ROOT, is_installed
from benchmarks.figures import Figure
from benchmarks.many.load import SERVICES_VARIABLE, WORKERS_VARIABLE
from benchmarks.pinning import PLACE_VARIABLE
from benchmarks.processes import free_port, processes_of
from benchmarks.sides import SIDES
from benchmarks.startup import pss_mb
from benchmarks.work import IN_FLIGHT, describe

WORKERS = (1, 2, 4, 8)
SERVICES = (1, 10, 50)
SCALED = ("floor", "circus", "bento")
MOST_PROCESSES = {"bento": 10}
"""Where a side is not taken further: fifty services of BentoML want a minute and four gigabytes."""

PATIENCE_S = 60.0
POLL_S = 0.005
STOP_S = 20.0

START, MEMORY, RATE = "start to the first good answer", "memory (PSS)", f"{IN_FLIGHT} in flight, dict"
UNITS = {START: "s", MEMORY: "MB", RATE: "calls/s"}

Shown = dict[str, float]


def measure(rounds: int) -> list[Figure]:
    """Measure every size of every side, interleaved."""
    sizes = [(workers, 1) for workers in WORKERS] + [(1, services) for services in SERVICES if services > 1]
    sides = [side for side in SCALED if side in CHOSEN and (side != "bento" or is_installed("bentoml"))]
    values: dict[tuple[tuple[int, int], str], dict[str, list[float]]] = {}
    notes: dict[tuple[tuple[int, int], str], dict[str, str]] = {}
    for turn in range(rounds):
        for size, side in itertools.product(sizes, sides):
            if sum(size) > MOST_PROCESSES.get(side, 1_000):
                continue
            print(
                f"round {turn + 1} of {rounds}, {_describe(size)}: {SIDES[side]}", file=sys.stderr, flush=True
            )
            try:
                shown, note = start(side, *size)
            except (OSError, ValueError, RuntimeError) as exc:
                notes.setdefault((size, START), {})[side] = describe(exc)
                continue
            for work, value in shown.items():
                values.setdefault((size, work), {}).setdefault(side, []).append(value)
            if note:
                notes.setdefault((size, RATE), {})[side] = note
    return [
        Figure(
            part="scaling",
            place="",
            work=f"{_describe(size)}: {work}",
            unit=unit,
            more_is_better=work == RATE,
            values=values.get((size, work), {}),
            notes=notes.get((size, work), {}),
            base="floor",
        )
        for size in sizes
        for work, unit in UNITS.items()
    ]


def start(side: str, workers: int, services: int) -> tuple[Shown, str]:
    """Measure one start of one side.

    Args:
        side: One of :data:`SCALED`.
        workers: Of the first service.
        services: That are called, of which the others have one worker each.

    Returns:
        The values by work, and what is to be said of failed calls.

    Raises:
        OSError, ValueError, RuntimeError: It did not start, or did not answer well.
    """
    if side == "floor":
        return _start_floor(workers + services - 1)
    port = free_port()
    with _serving(side, port, workers, services) as served:
        while not _is_answering(port):
            if served.process.poll() is not None or time.perf_counter() > served.began + PATIENCE_S:
                raise RuntimeError("it did not start")
            time.sleep(POLL_S)
        seconds = time.perf_counter() - served.began
        shown = json.loads(_post(port, "/load"))
        note = f"{shown['failed']} of {shown['calls']} calls failed" if shown["failed"] else ""
        note = (
            f"{note}, the last with {shown['error']}" if note and shown["error"] else note or shown["error"]
        )
        memory = pss_mb(processes_of(served.process.pid))
    return {START: seconds, MEMORY: memory, RATE: shown["calls_per_s"]}, note


class Served:
    """A server and when it was started."""

    def __init__(self, command: list[str], environ: dict[str, str], told: Any) -> None:
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
            start_new_session=True,
        )


@contextlib.contextmanager
def _serving(side: str, port: int, workers: int, services: int) -> Iterator[Served]:
    """Have a side serve until the block is left."""
    where = ["--port", str(port), "--host", "127.0.0.1"]
    graph = f"benchmarks.many.{side}_graph:Frontend"
    with tempfile.TemporaryDirectory(prefix="dr.", dir="/tmp") as folder, tempfile.TemporaryFile() as told:
        environ = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DYNAMO_RUNTIME_DIR": folder,
            "BENTOML_DO_NOT_TRACK": "True",
            SERVICES_VARIABLE: str(services),
            WORKERS_VARIABLE: str(workers),
        }
        environ.pop(PLACE_VARIABLE, None)
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        if side == "circus":
            options = ["--provider", "circus", "--quiet", f"--Backend0.ServiceArgs.workers={workers}"]
            command = [sys.executable, "-m", "dynamo_core", "serve", graph, *where, *options]
        else:
            command = [sys.executable, "-m", "bentoml", "serve", graph, *where]
        served = Served(command, environ, told)
        try:
            yield served
        finally:
            end(served.process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a server and all that it has started, gently first."""
    family = processes_of(process.pid)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def _is_answering(port: int) -> bool:
    try:
        return bool(json.loads(_post(port, "/ask")))
    except (OSError, urllib.error.URLError):
        return False


def _post(port: int, path: str) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data=b"{}", headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        body: bytes = answer.read()
    return body


# --- the floor ---


def _start_floor(count: int) -> tuple[Shown, str]:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        paths = [f"{folder}/{number}" for number in range(count)]
        began = time.perf_counter()
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        environ.pop(PLACE_VARIABLE, None)
        servers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.sides.floor", "--serve", path],
                    cwd=ROOT,
                    env=environ,
                    stdout=subprocess.PIPE,
                )
            )
            for path in paths
        ]
        for server in servers:
            stack.callback(server.kill)
        command = [sys.executable, "-m", "benchmarks.many.floor_caller", *paths]
        caller = stack.enter_context(
            subprocess.Popen(command, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )
        stack.callback(caller.kill)
        assert caller.stdout is not None
        if caller.stdout.readline() != b"answered\n":
            raise RuntimeError("the floor does not answer")
        seconds = time.perf_counter() - began
        shown = json.loads(caller.stdout.readline())
        memory = pss_mb([caller.pid, *(server.pid for server in servers)])
    return {START: seconds, MEMORY: memory, RATE: shown["calls_per_s"]}, shown["error"]


def _describe(size: tuple[int, int]) -> str:
    workers, services = size
    if services > 1:
        return f"{services} services"
    return f"{workers} worker{'s' if workers > 1 else ''}"
