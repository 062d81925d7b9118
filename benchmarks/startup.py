"""What a run of ours costs beside its calls: start to the first good answer, memory, idle processor time.

The graph has two services, one worker each, under the circus provider; *http* means that the first one is reached by
HTTP, *sockets* that it is not. Bytecode is compiled first, and processes may write it: without that, starts double.
"""

from __future__ import annotations

import asyncio
import compileall
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dynamo_core
from benchmarks.processes import free_port
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
            with contextlib.suppress(FileNotFoundError):  # a directory gets its name meanwhile
                for pattern in (f"*/*/w{service_index}-0.sock", f"*/w{service_index}-0.sock"):
                    for path in self.runtime.glob(pattern):
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


def pss_mb(pids: list[int]) -> float:
    """Proportional set size of processes, in megabytes."""
    kilobytes = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kilobytes += int(line.split()[1])
    return kilobytes / 1000


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
