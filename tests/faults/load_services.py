"""Services for cases of load, deadlines and cancellation; workers import this file by its path."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from services import SUPERVISION, Answer, is_on, note, noted

from dynamo_core import ServiceContext, api, async_on_start, depends, endpoint, service

DESCRIPTORS = 64


@service(supervision=SUPERVISION, traffic={"max_concurrency": 4, "max_queue": 8}, http={"port": 0})
class Narrow:
    """Runs four calls at once, and lets eight wait."""

    context: ServiceContext

    @api
    async def work(self, call_id: str, hold_s: float = 1.0) -> Answer:
        with noted(call_id, self.context):
            await asyncio.sleep(hold_s)
        return Answer(call_id, self.context.slot, os.getpid())


@service(workers=4, supervision=SUPERVISION, http={"port": 0})
class Wide:
    """Four workers, each of which answers after a while."""

    context: ServiceContext

    @api
    async def work(self, call_id: str, hold_s: float = 0.05) -> Answer:
        with noted(call_id, self.context):
            await asyncio.sleep(hold_s)
        return Answer(call_id, self.context.slot, os.getpid())


@service(supervision=SUPERVISION)
class Deep:
    """The last of three services."""

    context: ServiceContext

    @endpoint
    async def work(self, call_id: str, hold_s: float = 0.05) -> Answer:
        with noted(call_id, self.context):
            await asyncio.sleep(hold_s)
        return Answer(call_id, self.context.slot, os.getpid())


@service(supervision=SUPERVISION)
class Between:
    deep = depends(Deep)

    @endpoint
    async def work(self, call_id: str, hold_s: float = 0.05) -> Answer:
        return await self.deep.work(call_id, hold_s)


@service(supervision=SUPERVISION)
class Outer:
    between = depends(Between)

    @endpoint
    async def work(self, call_id: str, hold_s: float = 0.05) -> Answer:
        return await self.between.work(call_id, hold_s)


@service(supervision=SUPERVISION, traffic={"max_concurrency": 1, "max_queue": 8}, http={"port": 0})
class Source:
    """Streams for ever, and only once at a time."""

    context: ServiceContext

    @api
    async def items(self, call_id: str) -> AsyncIterator[int]:
        with noted(call_id, self.context):
            number = 0
            while True:
                yield number
                number += 1
                await asyncio.sleep(0.01)

    @endpoint
    def lines(self, call_id: str) -> Iterator[int]:
        with noted(call_id, self.context):
            number = 0
            while True:
                yield number
                number += 1
                time.sleep(0.01)

    @endpoint
    async def work(self, call_id: str) -> Answer:
        with noted(call_id, self.context):
            pass
        return Answer(call_id, self.context.slot, os.getpid())


@service(supervision=SUPERVISION)
class Relay:
    """Passes a stream on."""

    source = depends(Source)

    @endpoint
    async def items(self, call_id: str) -> AsyncIterator[int]:
        async for item in self.source.items(call_id):
            yield item


@service(workers=2, supervision=SUPERVISION)
class Cutting:
    """Loses the connection of every call that it has begun."""

    context: ServiceContext

    @endpoint(idempotent=True)
    async def work(self, call_id: str) -> None:
        note(call_id, "begin", self.context.slot)
        cut_connections()
        await asyncio.sleep(30)


def cut_connections() -> None:
    """End every connection that was accepted on this worker's slot."""
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if not file.is_socket():
                continue
            with socket.socket(fileno=os.dup(int(file.name))) as found:
                is_open = not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if found.family == socket.AF_UNIX and found.getsockname() and is_open:
                    found.shutdown(socket.SHUT_RDWR)


@service(supervision=SUPERVISION, http={"port": 0})
class Tight:
    """May open few descriptors."""

    context: ServiceContext

    @async_on_start
    async def limit(self) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))

    @api
    async def work(self, call_id: str) -> Answer:
        with noted(call_id, self.context):
            pass
        return Answer(call_id, self.context.slot, os.getpid())


@service(workers=2, supervision=SUPERVISION)
class Sick:
    """Its second worker is ill while the switches ``slow`` or ``errors`` are on."""

    context: ServiceContext

    @endpoint
    async def work(self, call_id: str) -> Answer:
        with noted(call_id, self.context):
            is_ill = self.context.slot == 1
            if is_ill and is_on("errors"):
                raise RuntimeError("no device")
            await asyncio.sleep(1.0 if is_ill and is_on("slow") else 0.05)
        return Answer(call_id, self.context.slot, os.getpid())
