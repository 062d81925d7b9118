"""The graph that is measured on circus: a caller and what it calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from benchmarks.models import Prompt
from benchmarks.pinning import pin_callee, pin_caller
from benchmarks.work import ITEM, measure
from dynamo_core import depends, endpoint, on_start, service


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
