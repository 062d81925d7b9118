"""Services that are reached from outside; workers import this file by its path."""

from __future__ import annotations

import os
from typing import Any

from services import SUPERVISION, Answer, note, noted

from dynamo_core import ServiceContext, api, depends, service


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
