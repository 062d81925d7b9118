"""Services that do not stay."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from dynamo_core import ServiceContext, async_on_start, depends, endpoint, service


@service(supervision={"max_failures": 3, "stable_time_s": 30, "on_failure": "isolate"})
class Crashing:
    """Ends soon after it is ready, once a file says so."""

    context: ServiceContext

    @endpoint
    async def end(self) -> None:
        os._exit(7)


@service
class Steady:
    """Goes on."""

    crashing = depends(Crashing)

    @endpoint
    async def echo(self, text: str) -> str:
        return text


@service
class Unstartable:
    """Fails at its start."""

    @async_on_start
    async def fail(self) -> None:
        raise RuntimeError("no licence for this")

    @endpoint
    async def echo(self, text: str) -> str:
        return text


@service
class Picky:
    """Starts unless a file forbids it."""

    context: ServiceContext

    @async_on_start
    async def look(self) -> None:
        if Path(self.context.settings["forbidden"]).exists():
            raise RuntimeError("forbidden")

    @endpoint
    async def pid(self) -> int:
        return os.getpid()


@service(supervision={"watchdog_s": 1.0})
class Hanging:
    """Stops turning its loop on request."""

    @endpoint
    async def hang(self) -> None:
        time.sleep(600)

    @endpoint
    async def pid(self) -> int:
        return os.getpid()


@service(workers=2, supervision={"stop_timeout_s": 0.5})
class Deaf:
    """Does not heed SIGTERM."""

    @async_on_start
    async def close_ears(self) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    @endpoint
    async def pid(self) -> int:
        return os.getpid()
