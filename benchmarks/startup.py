"""What a run costs beside its calls: start to the first good answer, memory, recovery after kill -9, idle processor time.

    python benchmarks/startup.py [--rounds 5] [--json]

The graph has two services, one worker each, under the circus provider; *http* means that the first one is reached by
HTTP, *sockets* that it is not. Rounds are interleaved; figures are medians over them, with their spread.
*floor* is as many bare interpreters, started as a chain of three: it says what the machine does on that day.
Bytecode is compiled first, and processes may write it: without that, starts double.
"""

from __future__ import annotations

import argparse
import asyncio
import compileall
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dynamo_core
from dynamo_core.errors import CallError, TransportError
from dynamo_core.transport import call_json

PATIENCE_S = 60.0
POLL_S = 0.001
CALLS_PER_S = 50
IDLE_SERVICES = 50
IDLE_S = 10.0

GRAPH = """
from dynamo_core import api, depends, endpoint, service


@service
class Backend:
    @endpoint
    async def echo(self, text: str) -> str:
        return text


@service
class Frontend:
    backend = depends(Backend)

    @{mark}
    async def ask(self, text: str) -> str:
        return await self.backend.echo(text)
"""

MANY = """
from dynamo_core import depends, endpoint, service

{services}

@service
class Frontend:
{edges}

    @endpoint
    async def ask(self, text: str) -> str:
        return text
"""

ONE_OF_MANY = """
@service
class Backend{number}:
    @endpoint
    async def echo(self, text: str) -> str:
        return text
"""


class Row(NamedTuple):
    """One figure.

    Attributes:
        what: What was measured.
        value: Median over the rounds.
        spread: Least and greatest.
        unit: Of both.
        budget: Most that it may be; None where there is no budget.
    """

    what: str
    value: float
    spread: tuple[float, float]
    unit: str
    budget: float | None = None


class Run:
    """One ``dynamo serve`` in a runtime folder of its own."""

    def __init__(self, folder: Path, graph: str, *options: str) -> None:
        self.runtime = Path(tempfile.mkdtemp(prefix="dr.", dir="/tmp"))  # a short path, for sockets
        environ = {**os.environ, "DYNAMO_RUNTIME_DIR": str(self.runtime), "DYNAMO_PROVIDER": "circus"}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dynamo_core", "serve", graph, "--quiet", *options],
            cwd=folder,
            env=environ,
            stdout=subprocess.DEVNULL,
        )

    async def call(self, service_index: int, service: str, endpoint: str, text: str) -> None:
        """Call the first worker of a service directly.

        Raises:
            CallError, TransportError: It did not answer.
        """
        path = await self._socket(service_index)
        answers = call_json(
            str(path),
            run_id=path.parent.name,
            service=service,
            endpoint=endpoint,
            body=json.dumps({"text": text}).encode(),
            timeout_s=PATIENCE_S,
        )
        async with contextlib.aclosing(answers):
            async for answer in answers:
                assert json.loads(answer) == text

    async def _socket(self, service_index: int) -> Path:
        for _ in range(int(PATIENCE_S / POLL_S)):
            for path in self.runtime.glob(f"*/*/w{service_index}-0.sock"):
                return path
            for path in self.runtime.glob(f"*/w{service_index}-0.sock"):
                return path
            assert self.process.poll() is None, "the run ended"
            await asyncio.sleep(POLL_S)
        raise TimeoutError("no socket")

    def state(self) -> dict[str, Any]:
        """What the state file says."""
        (path,) = [*self.runtime.rglob("state.json")]
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found

    def pids(self) -> list[int]:
        """All processes of the run."""
        found, unseen = [], [self.process.pid]
        while unseen:
            pid = unseen.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                unseen += map(int, children.read_text().split())
        return found

    def stop(self) -> None:
        """End the run and wait for it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)
        subprocess.run(["rm", "-rf", str(self.runtime)], check=True)


@contextlib.contextmanager
def running(folder: Path, graph: str, *options: str) -> Iterator[Run]:
    """A run for as long as the block lasts."""
    run = Run(folder, graph, *options)
    try:
        yield run
    finally:
        run.stop()


def write_graphs(folder: Path) -> None:
    """Write the modules that are served."""
    (folder / "sockets.py").write_text(GRAPH.format(mark="endpoint"), "utf-8")
    (folder / "http_graph.py").write_text(GRAPH.format(mark="api"), "utf-8")
    numbers = range(IDLE_SERVICES - 1)
    services = "\n".join(ONE_OF_MANY.format(number=number) for number in numbers)
    edges = "\n".join(f"    backend{number} = depends(Backend{number})" for number in numbers)
    (folder / "many.py").write_text(MANY.format(services=services, edges=edges), "utf-8")
    compileall.compile_dir(folder, quiet=1)
    (folder / "pyproject.toml").write_text("", "utf-8")


def compile_everything() -> None:
    """Compile what the processes import, as an installer does."""
    import dynamo_circus

    for package in (dynamo_core, dynamo_circus):
        assert package.__file__ is not None
        compileall.compile_dir(Path(package.__file__).parent, quiet=1)


def start_floor(_folder: Path) -> float:
    """Seconds until the last of three bare interpreters that start each other has said something."""
    chain = (
        "import subprocess, sys; n = int(sys.argv[1]);"
        "n and subprocess.run([sys.executable, '-c', sys.argv[2], str(n - 1), sys.argv[2]])"
    )
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", chain, "2", chain], check=True)
    return time.perf_counter() - began


def start_sockets(folder: Path) -> tuple[float, float]:
    """Seconds to the first good answer without HTTP, and megabytes of all processes then."""
    with running(folder, "sockets:Frontend") as run:
        asyncio.run(run.call(1, "Frontend", "ask", "hello"))
        return time.perf_counter() - run.began, pss_mb(run.pids())


def start_http(folder: Path) -> tuple[float, float]:
    """Seconds to the first good answer over HTTP, and megabytes of all processes then."""
    port = free_port()
    with running(folder, "http_graph:Frontend", f"--port={port}") as run:
        while not answers_http(port):
            assert run.process.poll() is None, "the run ended"
            time.sleep(POLL_S)
        return time.perf_counter() - run.began, pss_mb(run.pids())


def answers_http(port: int) -> bool:
    """Ask once; whether the answer is good. A refused connection is none."""
    body = b'{"text": "hello"}'
    head = f"POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
            connection.sendall(head.encode() + body)
            return connection.recv(65536).startswith(b"HTTP/1.1 200")
    except (ConnectionError, TimeoutError):
        return False


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def pss_mb(pids: list[int]) -> float:
    """Proportional set size of processes, in megabytes."""
    kilobytes = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kilobytes += int(line.split()[1])
    return kilobytes / 1000


def recover(folder: Path) -> tuple[float, int]:
    """Kill the only backend worker under load.

    Returns:
        Seconds from the kill to the first good answer of a call made after it, and how many calls failed.
    """
    with running(folder, "sockets:Frontend") as run:
        return asyncio.run(_recover(run))


async def _recover(run: Run) -> tuple[float, int]:
    await run.call(1, "Frontend", "ask", "warm")
    killed_at = 0.0
    answered: list[float] = []
    failed = 0

    async def ask(number: int) -> None:
        nonlocal failed
        began = time.perf_counter()
        try:
            await run.call(1, "Frontend", "ask", str(number))
        except (CallError, TransportError):
            failed += 1
        else:
            if killed_at and began > killed_at:
                answered.append(time.perf_counter())

    async with asyncio.TaskGroup() as tasks:
        for number in range(2 * CALLS_PER_S):
            tasks.create_task(ask(number))
            if number == CALLS_PER_S:
                (backend,) = [each for each in run.state()["services"] if each["name"] == "Backend"]
                killed_at = time.perf_counter()
                os.kill(backend["workers"][0]["pid"], signal.SIGKILL)
            await asyncio.sleep(1 / CALLS_PER_S)
    return min(answered) - killed_at, failed


def idle_percent(folder: Path) -> float:
    """Percent of a core that many services take while nothing is asked of them."""
    with running(folder, "many:Frontend") as run:
        asyncio.run(run.call(IDLE_SERVICES - 1, "Frontend", "ask", "hello"))
        time.sleep(2.0)  # until what starts has started
        pids = run.pids()
        before, began = _cpu_s(pids), time.perf_counter()
        time.sleep(IDLE_S)
        return 100 * (_cpu_s(pids) - before) / (time.perf_counter() - began)


def _cpu_s(pids: list[int]) -> float:
    """Processor time of processes; clock ticks would miss those that wake seldom and shortly."""
    nanoseconds = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            nanoseconds += int((thread / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def measure(rounds: int = 5) -> list[Row]:
    """Measure everything, interleaved."""
    compile_everything()
    figures: dict[str, list[float]] = {}

    def note(what: str, value: float) -> None:
        figures.setdefault(what, []).append(value)

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_graphs(folder)
        for number in range(rounds + 1):
            if number == 1:
                figures.clear()  # the first one fills caches
            note("start floor", start_floor(folder))
            for kind, start in (("sockets", start_sockets), ("http", start_http)):
                seconds, megabytes = start(folder)
                note(f"start {kind}", seconds)
                note(f"memory {kind}", megabytes)
            seconds, failed = recover(folder)
            note("recovery", seconds)
            note("recovery failed calls", failed)
        note("idle", idle_percent(folder))
    return [_row(what, values) for what, values in figures.items()]


UNITS: dict[str, tuple[str, float | None]] = {
    "start floor": ("s", None),
    "start sockets": ("s", 0.5),
    "start http": ("s", 0.7),
    "memory sockets": ("MB", 110),
    "memory http": ("MB", 110),
    "recovery": ("s", 0.2),
    "recovery failed calls": ("calls", None),
    "idle": ("% of a core", 3),
}


def _row(what: str, values: list[float]) -> Row:
    unit, budget = UNITS[what]
    return Row(what, statistics.median(values), (min(values), max(values)), unit, budget)


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = measure(arguments.rounds)
    if arguments.json:
        print(json.dumps([row._asdict() for row in rows]))
        return
    for row in rows:
        verdict = (
            ""
            if row.budget is None
            else f"   budget {row.budget:g}: {'kept' if row.value <= row.budget else 'missed'}"
        )
        low, high = row.spread
        print(f"{row.what:24}{row.value:8.3f} ({low:.3f} to {high:.3f}) {row.unit}{verdict}")


if __name__ == "__main__":
    main()
