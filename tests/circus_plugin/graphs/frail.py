"""A service that can be made to fail for good, and two above it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from dynamo_core import api, depends, endpoint, on_shutdown, service

SUPERVISION = {"stable_time_s": 30, "stop_timeout_s": 5}
SWITCH = Path(os.environ.get("FRAIL_SWITCH", "/nonexistent"))
"""While it is there, Frail cannot start."""


@service(supervision={**SUPERVISION, "max_failures": 2}, http={"port": 0})
class Frail:
    def __init__(self) -> None:
        if SWITCH.exists():
            print("no device", flush=True)
            os._exit(3)

    @api(idempotent=True)
    async def echo(self, text: str) -> str:
        return text

    @endpoint
    async def die(self) -> None:
        os._exit(3)


@service(supervision=SUPERVISION)
class Middle:
    frail = depends(Frail)

    @on_shutdown
    async def end(self) -> None:
        print("Middle ends", flush=True)

    @endpoint
    async def echo(self, text: str) -> str:
        return await self.frail.echo(text)


@service(supervision=SUPERVISION)
class Top:
    middle = depends(Middle)

    @on_shutdown
    async def end(self) -> None:
        await asyncio.sleep(0.2)
        print("Top ends", flush=True)

    @endpoint
    async def echo(self, text: str, after_s: float = 0.0) -> str:
        await asyncio.sleep(after_s)
        return await self.middle.echo(text)
