"""Services that can be made to stop working in several ways."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from dynamo_core import ServiceContext, api, endpoint, liveness, readiness, service


@service(
    supervision={
        "liveness_interval_s": 0.05,
        "readiness_interval_s": 0.05,
        "watchdog_s": 1.0,
        "stable_time_s": 0,
    }
)
class Patient:
    def __init__(self) -> None:
        self.is_well = True
        self.is_open = True

    @liveness
    def lives(self) -> bool:
        return self.is_well

    @readiness
    async def takes_calls(self) -> bool:
        return self.is_open

    @endpoint(idempotent=True)
    async def pid(self) -> int:
        return os.getpid()

    @endpoint
    async def fall_ill(self) -> None:
        self.is_well = False

    @endpoint
    async def close_for(self, seconds: float) -> None:
        self.is_open = False
        asyncio.get_running_loop().call_later(seconds, setattr, self, "is_open", True)

    @endpoint
    async def block(self) -> None:
        time.sleep(60)

    @endpoint
    async def freeze(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    @endpoint
    async def work(self, seconds: float) -> int:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
        return os.getpid()


@service(workers=2, supervision={"readiness_interval_s": 0.05}, http={"port": 0})
class Shop:
    """Each worker is ready unless a file says no."""

    context: ServiceContext

    @readiness
    def is_open(self) -> bool:
        is_closed = Path(os.environ["SHOP_FOLDER"], f"closed-{self.context.slot}").exists()
        if is_closed:
            print("closed", flush=True)
        return not is_closed

    @api
    async def slot(self) -> int:
        return self.context.slot

    @api
    async def wait(self, seconds: float) -> int:
        await asyncio.sleep(seconds)
        return self.context.slot
