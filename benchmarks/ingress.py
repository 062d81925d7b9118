"""HTTP ingress beside bare Starlette on the same uvicorn: JSON POST over 32 connections.

One worker each, on a core of its own; the driver is on the other. Both run uvloop and httptools, and log no access.
*parameters*: the body is an object of parameters; *model*: it is a pydantic model, which the answer is too.
Rounds are interleaved. What a server can do is its processor time per request, of which requests per second follow
on a quiet machine only; both are told.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import free_port

CONNECTIONS = 32
WARM_UP_S = 0.5
MEASURED_S = 2.0
PATIENCE_S = 20.0
BUDGET_OF_STARLETTE = 0.9
DRIVER_CORES, SERVER_CORES = {0}, {1}
BODY = json.dumps(
    {"prompt": "The quick brown fox jumps over the lazy dog", "max_tokens": 128, "stop": ["\n"]}
).encode()

SERVICE = """
from pydantic import BaseModel

from dynamo_core import api, service


class Prompt(BaseModel):
    prompt: str
    max_tokens: int
    stop: list[str]


@service
class Frontend:
    @api
    async def parameters(self, prompt: str, max_tokens: int, stop: list[str]) -> dict[str, object]:
        return {"prompt": prompt, "max_tokens": max_tokens, "stop": stop}

    @api
    async def model(self, value: Prompt) -> Prompt:
        return value
"""

STARLETTE = """
import socket
import sys

import uvicorn
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Prompt(BaseModel):
    prompt: str
    max_tokens: int
    stop: list[str]


async def parameters(request: Request) -> Response:
    given = await request.json()
    return JSONResponse({name: given[name] for name in ("prompt", "max_tokens", "stop")})


async def model(request: Request) -> Response:
    value = Prompt.model_validate_json(await request.body())
    return Response(value.model_dump_json(), media_type="application/json")


app = Starlette(
    routes=[Route("/parameters", parameters, methods=["POST"]), Route("/model", model, methods=["POST"])]
)

if __name__ == "__main__":
    uvicorn.run(
        app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="warning"
    )
"""


WRK = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = {body}
"""
"""What wrk is told; a text in JSON is one in Lua, for these characters."""


class Load(NamedTuple):
    """What a server did under load.

    Attributes:
        requests_per_s: Answered, by the clock.
        cpu_us: Microseconds of the server's processor time per request.
    """

    requests_per_s: float
    cpu_us: float


def write_programs(folder: Path) -> None:
    """Write what is served."""
    (folder / "served.py").write_text(SERVICE, "utf-8")
    (folder / "bare.py").write_text(STARLETTE, "utf-8")
    (folder / "pyproject.toml").write_text("", "utf-8")


@contextmanager
def serving_ours(folder: Path) -> Iterator[tuple[int, int]]:
    """Our service under the circus provider; gives its port and the worker's process id."""
    port = free_port()
    runtime = tempfile.mkdtemp(prefix="dr.", dir="/tmp")
    command = ["-m", "dynamo_core", "serve", "served:Frontend", f"--port={port}", "--quiet"]
    environ = {"DYNAMO_RUNTIME_DIR": runtime, "DYNAMO_PROVIDER": "circus"}
    with _started(folder, command, environ) as process:
        _wait_open(process, port)
        yield port, _worker_of(Path(runtime))
    subprocess.run(["rm", "-rf", runtime], check=True)


@contextmanager
def serving_starlette(folder: Path) -> Iterator[tuple[int, int]]:
    """The same with Starlette alone."""
    port = free_port()
    with _started(folder, ["bare.py", str(port)], {}) as process:
        _wait_open(process, port)
        yield port, process.pid


@contextmanager
def _started(folder: Path, words: list[str], environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, *words], cwd=folder, env={**os.environ, **environ})
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


def _worker_of(runtime: Path) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError):  # a directory gets its name meanwhile
            for path in runtime.rglob("state.json"):
                worker = json.loads(path.read_text("utf-8"))["services"][0]["workers"][0]
                if worker["state"] == "ready":
                    pid: int = worker["pid"]
                    return pid
        time.sleep(0.01)
    raise TimeoutError("the worker is not ready")


def _wait_open(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise TimeoutError("the server does not listen")


def pin(pid: int, cores: set[int]) -> None:
    """Keep a process and all its threads on *cores*."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def cpu_s(pid: int) -> float:
    """Processor time of a process so far."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


class Driver:
    """Keeps one request in flight on each of its connections."""

    def __init__(self, port: int, path: str) -> None:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(BODY)}\r\n\r\n"
        )
        self._request = head.encode() + BODY
        self._port = port
        self._poll = select.epoll()
        self._connections: dict[int, socket.socket] = {}
        self._parts: dict[int, bytes] = {}

    def __enter__(self) -> Driver:
        for _ in range(CONNECTIONS):
            connection = socket.create_connection(("127.0.0.1", self._port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections[connection.fileno()] = connection
            self._poll.register(connection.fileno(), select.EPOLLIN)
            connection.sendall(self._request)
        return self

    def __exit__(self, *_exc: object) -> None:
        for connection in self._connections.values():
            connection.close()
        self._poll.close()

    def drive(self, seconds: float) -> tuple[int, float]:
        """Make requests for a while; gives how many were answered in how many seconds."""
        answered = 0
        began = time.perf_counter()
        until = began + seconds
        while (now := time.perf_counter()) < until:
            for descriptor, _ in self._poll.poll():
                connection = self._connections[descriptor]
                part = connection.recv(65536)
                answer = self._parts.pop(descriptor, b"") + part
                if not answer.startswith(b"HTTP/1.1 200") or not part:
                    raise RuntimeError(f"a bad answer: {answer!r}")
                if not answer.endswith(b"}"):
                    self._parts[descriptor] = answer
                    continue
                connection.send(self._request)
                answered += 1
        return answered, now - began


def load(port: int, pid: int, path: str) -> Load:
    """Load a server, with wrk where it is installed; what it does is counted once it is warm.

    Raises:
        RuntimeError: It gave a bad answer.
    """
    pin(pid, SERVER_CORES)
    with Driver(port, path) as driver:
        driver.drive(WARM_UP_S)
        if shutil.which("wrk") is None:
            before = cpu_s(pid)
            answered, seconds = driver.drive(MEASURED_S)
            return Load(answered / seconds, 1e6 * (cpu_s(pid) - before) / answered)
    before = cpu_s(pid)
    answered, per_s = drive_wrk(port, path)
    return Load(per_s, 1e6 * (cpu_s(pid) - before) / answered)


def drive_wrk(port: int, path: str) -> tuple[int, float]:
    """Have wrk make requests for a while; gives how many were answered, and how many a second.

    Raises:
        RuntimeError: An answer was bad, or a connection broke.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK.format(body=json.dumps(BODY.decode())))
        script.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{MEASURED_S:.0f}s", "-s", script.name]
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{port}{path}"],
            preexec_fn=lambda: os.sched_setaffinity(0, DRIVER_CORES),
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
    counted = re.search(r"(\d+) requests in", done.stdout)
    rate = re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)
    if counted is None or rate is None or re.search("Non-2xx|Socket errors", done.stdout):
        raise RuntimeError(f"wrk says: {done.stdout}")
    return int(counted[1]), float(rate[1])
