"""One worker, or one service, without the rest of its graph."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynamo_core.transport import call_json

from .test_run import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def process(
    *arguments: str, ready: str, before: tuple[str, ...] = ()
) -> AsyncIterator[tuple[Any, list[str]]]:
    """A process that has written *ready* to its standard error; it is told to stop, and must obey."""
    started = await asyncio.create_subprocess_exec(
        *(*before, sys.executable, "-m", *arguments),
        stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
    )
    lines: list[str] = []
    assert started.stderr is not None
    try:
        async with asyncio.timeout(30):
            while line := (await started.stderr.readline()).decode():
                lines.append(line.rstrip())
                if ready in line:
                    break
        assert any(ready in line for line in lines), lines
        yield started, lines
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            lines += (await started.stderr.read()).decode().splitlines()
            await started.wait()
    assert started.returncode == 0, lines


async def ask(path: str, run_id: str, service: str, endpoint: str, **arguments: object) -> list[object]:
    texts = call_json(
        path, run_id=run_id, service=service, endpoint=endpoint, body=json.dumps(arguments).encode()
    )
    return [json.loads(text) async for text in texts]


async def test_worker_runs_by_hand_and_leads_to_another(runs: Path, graphs: Path) -> None:
    """Each is a process of its own; the one calls the other at the socket it was told."""
    graph = f"{graphs}/chain.py:Frontend"
    backend, frontend = runs / "b.sock", runs / "f.sock"
    worker = ("dynamo_circus.worker", graph)
    async with (
        process(*worker, "--service", "Backend", "--listen", f"unix:{backend}", ready="serving on"),
        process(
            *worker,
            "--listen",
            f"unix:{frontend}",
            "--depends",
            f"Backend=unix:{backend}",
            ready="serving on",
        ),
    ):
        items = await ask(str(frontend), "local", "Frontend", "generate", text="x")
        assert items[:2] == ["Frontend: Backend: started", "Frontend: Backend: x"]
        assert oct(backend.stat().st_mode & 0o777) == "0o600"
    assert not backend.exists()


async def test_missing_dependency_of_a_worker_by_hand_is_told(runs: Path, graphs: Path) -> None:
    """With the option to give."""
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dynamo_circus.worker", f"{graphs}/chain.py:Frontend"),
        *("--listen", f"unix:{runs}/f.sock"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, text = await started.communicate()
    assert started.returncode == 2
    assert b"--depends Backend=unix:/path/of/its.sock" in text


async def test_unknown_dependency_of_a_worker_by_hand_is_told(runs: Path, graphs: Path) -> None:
    """A slip of the pen is not passed over."""
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dynamo_circus.worker", f"{graphs}/chain.py:Frontend"),
        *("--listen", f"unix:{runs}/f.sock", "--depends", f"Backend=unix:{runs}/b.sock"),
        *("--depends", f"Backand=unix:{runs}/b.sock"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, text = await started.communicate()
    assert started.returncode == 2
    assert b"Frontend does not depend on Backand, which --depends names; it depends on Backend" in text


async def test_one_service_is_supervised_alone(runs: Path, graphs: Path) -> None:
    """What it depends on is a worker of another run."""
    async with running(f"{graphs}/chain.py:Backend") as arbiter:
        path = (await arbiter.sockets())["Backend"][0]
        arguments = ("dynamo_core", "serve", f"{graphs}/chain.py:Frontend", "--provider", "circus")
        alone = ("--service-name", "Frontend", "--depends", f"Backend=unix:{path}")
        async with process(*arguments, *alone, ready="serving Frontend at"):
            found = [folder for folder in runs.iterdir() if folder.name != arbiter.run_id]
            socket = str(found[0] / "w0-0.sock")
            items = await ask(socket, found[0].name, "Frontend", "generate", text="x")
    assert items[1] == "Frontend: Backend: x"


async def test_supervisor_under_nohup_outlives_its_terminal(runs: Path, graphs: Path) -> None:
    """It was started to ignore SIGHUP, and does."""
    command = ("dynamo_core", "serve", f"{graphs}/chain.py:Frontend", "--provider", "circus")
    async with process(*command, ready="serving Frontend at", before=("nohup",)) as (started, _):
        (status,) = [
            line for line in Path(f"/proc/{started.pid}/status").read_text().splitlines() if "SigIgn" in line
        ]
        assert int(status.split()[1], 16) & 1 << signal.SIGHUP - 1
