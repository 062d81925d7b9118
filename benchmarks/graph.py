"""The graph that is measured on circus: a caller and what it calls."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import attrs

from benchmarks.models import Prompt
from benchmarks.pinning import pin_callee, pin_caller
from benchmarks.sides.living import TAKES_S, recover
from benchmarks.work import ITEM, measure
from dynamo_core import depends, endpoint, on_start, service
from dynamo_core.errors import WorkerLostError


@service
class Backend:
    @endpoint
    async def echo(self, value: dict[str, Any]) -> dict[str, Any]:
        return value

    @endpoint
    async def echo_model(self, value: Prompt) -> Prompt:
        return value

    @endpoint
    async def echo_bytes(self, value: bytes) -> bytes:
        return value

    @endpoint
    async def ready(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            yield ITEM

    @endpoint
    async def suspending(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            await asyncio.sleep(0)
            yield ITEM

    @endpoint
    async def slow(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            yield ITEM
            await asyncio.sleep(0.005)

    @endpoint
    async def pid(self) -> int:
        return os.getpid()

    @endpoint
    async def take(self) -> None:
        await asyncio.sleep(TAKES_S)

    @endpoint(idempotent=True)
    async def take_again(self) -> None:
        await asyncio.sleep(TAKES_S)


@service(name="Backend")
class PinnedBackend(Backend):
    @on_start
    def pin(self) -> None:
        pin_callee()


@service
class Frontend:
    backend = depends(PinnedBackend)

    @on_start
    def pin(self) -> None:
        pin_caller()

    @endpoint
    async def measure(self) -> dict[str, Any]:
        """Do all the work from here."""
        return await measure(self.backend)

    @endpoint
    async def recover(self, idempotent: bool) -> dict[str, Any]:
        """Kill the backend under load."""
        kill = functools.partial(os.kill, await self.backend.pid(), signal.SIGKILL)
        call = self.backend.take_again if idempotent else self.backend.take
        return attrs.asdict(await recover(call, kill, is_unbegun))


def is_unbegun(exc: Exception) -> bool:
    """Whether a call that failed had not begun, as far as our errors tell."""
    return not (isinstance(exc, WorkerLostError) and exc.begun)
