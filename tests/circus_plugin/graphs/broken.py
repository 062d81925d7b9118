"""Services that fail to start, each in its own way."""

from __future__ import annotations

import asyncio
import os

from dynamo_core import async_on_start, endpoint, service


@service
class RaisesInConstructor:
    def __init__(self) -> None:
        raise RuntimeError("the model is missing")

    @endpoint
    async def echo(self, text: str) -> str:
        return text


@service
class ExitsInHook:
    @async_on_start
    async def leave(self) -> None:
        os._exit(7)

    @endpoint
    async def echo(self, text: str) -> str:
        return text


@service(supervision={"startup_timeout_s": 2})
class NeverReady:
    @async_on_start
    async def wait(self) -> None:
        await asyncio.Event().wait()

    @endpoint
    async def echo(self, text: str) -> str:
        return text
