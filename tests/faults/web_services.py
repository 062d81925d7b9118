"""Services that are reached from outside; workers import this file by its path."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from services import SUPERVISION, Answer, is_on, note, noted

from dynamo_core import (
    ServiceContext,
    api,
    async_on_start,
    depends,
    endpoint,
    on_shutdown,
    readiness,
    service,
)


@service(supervision=SUPERVISION, http={"port": 0})
class Door:
    """What anybody on this machine can knock at."""

    context: ServiceContext

    @api
    async def ask(self, call_id: str, count: int = 0) -> Answer:
        with noted(call_id, self.context):
            pass
        return Answer(call_id, self.context.slot, os.getpid())

    @api
    async def tell(self, call_id: str, value: Any = None) -> str:
        with noted(call_id, self.context):
            return type(value).__name__

    @api
    async def upload(self, data: bytes) -> int:
        note("upload", "begin", self.context.slot)
        return len(data)


@service(supervision=SUPERVISION, http={"port": 0})
class Gate:
    """Another one, so that what the machine does to both can be told from what is done to one."""

    context: ServiceContext
    door = depends(Door)

    @api
    async def ask(self, call_id: str) -> Answer:
        with noted(call_id, self.context):
            pass
        return Answer(call_id, self.context.slot, os.getpid())


@service(supervision={**SUPERVISION, "max_failures": 3}, http={"port": 0})
class Shaky:
    """Cannot start while the switch ``shaky`` is on."""

    context: ServiceContext

    @async_on_start
    async def begin(self) -> None:
        if is_on("shaky"):
            raise RuntimeError("no device")

    @api(idempotent=True)
    async def work(self, call_id: str) -> Answer:
        with noted(call_id, self.context):
            return Answer(call_id, self.context.slot, os.getpid())


@service(supervision=SUPERVISION)
class Lobby:
    """Calls a service that may be down for good."""

    context: ServiceContext
    shaky = depends(Shaky)

    @endpoint
    async def work(self, call_id: str) -> Answer:
        return await self.shaky.work(call_id)

    @on_shutdown
    def end(self) -> None:
        note("lobby", "shutdown", self.context.slot)


@service(supervision=SUPERVISION)
class Street:
    """Stands before the lobby, and takes its time to close."""

    lobby = depends(Lobby)

    @endpoint
    async def work(self, call_id: str, hold_s: float = 0.0) -> Answer:
        await asyncio.sleep(hold_s)
        return await self.lobby.work(call_id)

    @on_shutdown
    async def end(self) -> None:
        await asyncio.sleep(0.3)
        note("street", "shutdown")


@service(workers=2, supervision={**SUPERVISION, "readiness_interval_s": 0.1}, http={"port": 0})
class Shop:
    """A worker is not ready while the switch ``closed-SLOT`` is on."""

    context: ServiceContext

    @readiness
    def is_open(self) -> bool:
        return not is_on(f"closed-{self.context.slot}")

    @api
    async def work(self, call_id: str, hold_s: float = 0.02) -> Answer:
        with noted(call_id, self.context):
            await asyncio.sleep(hold_s)
        return Answer(call_id, self.context.slot, os.getpid())
