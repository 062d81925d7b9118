"""Services whose workers die, leave processes behind, or take long; and one that depends on them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from dynamo_core import depends, endpoint, on_start, service
from dynamo_core.testing.conformance.ledger import note

HANG_S = 60.0
SLEEPER = "import time; time.sleep(600)"


@service
class Frail:
    """Dies when it is asked to."""

    @endpoint
    async def pid(self) -> int:
        """Number of the worker's process."""
        return os.getpid()

    @endpoint
    async def die(self) -> None:
        """Die, as if killed by somebody else."""
        os.kill(os.getpid(), signal.SIGKILL)

    @endpoint
    async def hang(self) -> None:
        """Block the event loop, so that nothing in this worker goes on."""
        time.sleep(HANG_S)  # noqa: ASYNC251  # what is tested

    @endpoint(idempotent=True)
    async def die_once(self, ledger: str) -> int:
        """Die the first time; answer after that."""
        if not os.path.exists(ledger):  # noqa: ASYNC240, PTH110  # a moment
            note(ledger, "died")
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    @endpoint
    async def die_after(self, count: int) -> AsyncIterator[int]:
        """Some items, and then death."""
        for number in range(count):
            yield number
        await asyncio.sleep(0.2)  # for what has been sent to arrive
        os.kill(os.getpid(), signal.SIGKILL)

    @endpoint
    async def start_child(self) -> int:
        """Start a process that nobody looks after, and give its number."""
        child = subprocess.Popen([sys.executable, "-c", SLEEPER])  # noqa: ASYNC220  # starting it is quick
        return child.pid

    @endpoint
    async def finish_slowly(self, ledger: str) -> int:
        """Answer once the ledger says so."""
        note(ledger, "slow began")
        await _told_to_go_on(ledger)
        return os.getpid()

    @endpoint
    async def stream_slowly(self, ledger: str) -> AsyncIterator[int]:
        """One item, and one more once the ledger says so."""
        yield 1
        note(ledger, "slow began")
        await _told_to_go_on(ledger)
        yield 2

    @endpoint
    async def never_finish(self, ledger: str) -> None:
        """Wait for ever, whatever is cancelled."""
        note(ledger, "never began")
        await asyncio.Event().wait()


async def _told_to_go_on(ledger: str) -> None:
    while "go on" not in Path(ledger).read_text("utf-8").splitlines():  # noqa: ASYNC240  # a few bytes
        await asyncio.sleep(0.01)


@service
class Observer:
    """Depends on what is frail."""

    frail = depends(Frail)

    @endpoint
    async def pid(self) -> int:
        """Number of its own worker's process."""
        return os.getpid()

    @endpoint
    async def frail_pid(self) -> int:
        """Number of the process behind it."""
        return await self.frail.pid()


@service
class Stillborn:
    """Its start hook leaves a process behind, and fails."""

    frail = depends(Frail)

    @on_start
    def fail(self) -> None:
        """Start a process, and raise."""
        subprocess.Popen([sys.executable, "-c", SLEEPER])
        raise OSError("stillborn")

    @endpoint
    async def never(self) -> None:
        """Never reached."""
