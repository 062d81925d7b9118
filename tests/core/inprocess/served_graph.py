"""A graph that a process of its own serves."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from dynamo_core import api, async_on_start, depends, endpoint, on_shutdown, service


@service
class Back:
    @endpoint
    async def double(self, number: int) -> int:
        return number * 2

    @endpoint
    async def slow(self) -> None:
        print("slow began", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            print("slow ended", flush=True)

    @endpoint
    async def block_the_loop(self) -> None:
        print("blocked", flush=True)
        time.sleep(600)

    @on_shutdown
    def say_goodbye(self) -> None:
        print("back stopped", flush=True)


@service(http={"port": 0})
class Front:
    back = depends(Back)

    @api
    async def double(self, number: int) -> int:
        return await self.back.double(number)


@service
class Failing:
    back = depends(Back)

    @async_on_start
    async def start(self) -> None:
        raise OSError("no coffee")

    @endpoint
    async def never(self) -> None: ...


@service
class SignalledWhileStarting:
    back = depends(Back)

    @async_on_start
    async def start(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    @endpoint
    async def never(self) -> None: ...
