"""An engine of plain subprocesses, and services for it to run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path

from dynamo_core import ServiceContext, depends, endpoint, on_start, service
from dynamo_core.graph import ServiceGraph
from dynamo_core.provider import BoundGraph, Engine, ServiceEvent, StartedWorker, WorkerOrder
from dynamo_core.worker_run.bound import WorkerDependency, WorkerService


class SubprocessWorker(StartedWorker):
    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        return await self._process.wait()

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


class SubprocessEngine(Engine):
    """Starts processes; *orders* are those it got, *refuse* makes it fail."""

    def __init__(self) -> None:
        self.orders: list[WorkerOrder] = []
        self.refuse: OSError | None = None

    async def start(self, order: WorkerOrder) -> StartedWorker:
        self.orders.append(order)
        if self.refuse is not None:
            raise self.refuse
        process = await asyncio.create_subprocess_exec(
            *order.argv,
            env=dict(order.env),
            cwd=order.cwd,
            pass_fds=order.inherited,
            start_new_session=True,
            stdin=DEVNULL,
            stdout=order.stdout,
            stderr=order.stderr,
        )
        return SubprocessWorker(process)


@service(supervision={"stop_timeout_s": 0.2, "startup_timeout_s": 20})
class Backend:
    context: ServiceContext

    @on_start
    def look(self) -> None:
        gate = self.context.settings.get("fails_if_missing")
        if gate and not Path(str(gate)).exists():
            raise RuntimeError("the gate is closed")

    @endpoint
    async def echo(self, text: str) -> str:
        print("echo", text, flush=True)
        return text

    @endpoint
    async def pid(self) -> int:
        return os.getpid()

    @endpoint
    async def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @endpoint
    async def stray(self) -> int:
        """Start a process in a session of its own, and so in no group of this worker's."""
        return subprocess.Popen(["sleep", "1000"], start_new_session=True).pid

    @endpoint
    async def stop_answering(self, sign: str) -> None:
        """Block this worker's loop, so that it cannot end when it is asked to."""
        Path(sign).touch()
        time.sleep(60)


@service
class Frontend:
    backend = depends(Backend)

    @endpoint
    async def echo(self, text: str) -> str:
        return await self.backend.echo(text)


def bind(graph: ServiceGraph, heard: list[ServiceEvent]) -> BoundGraph:
    """Bind a graph as the scaffold's hooks do."""
    services = {each.name: WorkerService(each, each.config) for each in graph.services}
    edges = {
        each.name: {
            attribute: WorkerDependency(
                edge, None if edge.service_name is None else services[edge.service_name]
            )
            for attribute, edge in each.dependencies.items()
        }
        for each in graph.services
    }
    return BoundGraph(
        name=graph.name,
        entry=services[graph.entry.name],
        services=tuple(services.values()),
        dependencies=edges,
        emit=heard.append,
        show_lines=lambda lines: None,
    )
