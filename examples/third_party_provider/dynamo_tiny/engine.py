"""How this provider starts workers: as subprocesses. Put your own runtime here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, Process

from dynamo_core.provider import Engine, StartedWorker, WorkerOrder
from dynamo_tiny.target import TinyOptions


class SubprocessEngine(Engine):
    """Starts each worker as a process of this machine."""

    def __init__(self, options: TinyOptions) -> None:
        self._prefix = ("nice", "-n", str(options.nice)) if options.nice else ()

    async def start(self, order: WorkerOrder) -> StartedWorker:
        """Start one worker; it leads a process group, so that what it starts can be ended with it."""
        process = await asyncio.create_subprocess_exec(
            *(*self._prefix, *order.argv),
            env=dict(order.env),
            cwd=order.cwd,
            pass_fds=order.inherited,
            start_new_session=True,
            stdin=DEVNULL,
            stdout=order.stdout,
            stderr=order.stderr,
        )
        return SubprocessWorker(process)


class SubprocessWorker(StartedWorker):
    """One such process."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Number of its process."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait for its end."""
        return await self._process.wait()

    def terminate(self) -> None:
        """Ask it to finish its calls and end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it and whatever it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
