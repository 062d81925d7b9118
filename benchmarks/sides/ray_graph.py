"""The graph that is measured on Ray Serve: a deployment that has the handle of another, as its users write it."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import attrs
from ray import serve

from benchmarks.models import Prompt
from benchmarks.pinning import pin_callee, pin_caller
from benchmarks.sides.living import TAKES_S, recover
from benchmarks.work import ITEM, measure

MOST_ONGOING = 1_000
"""Calls at a time to a replica; the five that are usual would be the limit of what is measured."""


@serve.deployment(num_replicas=1, max_ongoing_requests=MOST_ONGOING, ray_actor_options={"num_cpus": 0})
class Backend:
    def __init__(self) -> None:
        pin_callee()

    async def echo(self, value: Any) -> Any:
        return value

    async def echo_model(self, value: Prompt) -> Prompt:
        return value

    async def ready(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            yield ITEM

    async def suspending(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            await asyncio.sleep(0)
            yield ITEM

    async def slow(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            yield ITEM
            await asyncio.sleep(0.005)

    async def pid(self) -> int:
        return os.getpid()

    async def take(self) -> None:
        await asyncio.sleep(TAKES_S)


class Client:
    """A client."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._streaming = handle.options(stream=True)

    def echo(self, value: Any) -> Awaitable[Any]:
        return self._handle.echo.remote(value)  # type: ignore[no-any-return]

    echo_bytes = echo

    def echo_model(self, value: Any) -> Awaitable[Any]:
        return self._handle.echo_model.remote(value)  # type: ignore[no-any-return]

    async def ready(self, count: int) -> AsyncIterator[str]:
        async for item in self._streaming.ready.remote(count):
            yield item

    async def suspending(self, count: int) -> AsyncIterator[str]:
        async for item in self._streaming.suspending.remote(count):
            yield item

    async def slow(self, count: int) -> AsyncIterator[str]:
        async for item in self._streaming.slow.remote(count):
            yield item


@serve.deployment(num_replicas=1, max_ongoing_requests=MOST_ONGOING, ray_actor_options={"num_cpus": 0})
class Frontend:
    def __init__(self, backend: Any) -> None:
        pin_caller()
        self._backend = backend

    async def measure(self) -> dict[str, Any]:
        """Do all the work from here."""
        return await measure(Client(self._backend))

    async def ask(self, value: Any) -> Any:
        return await self._backend.echo.remote(value)

    async def recover(self) -> dict[str, Any]:
        """Kill the backend under load."""
        kill = functools.partial(os.kill, await self._backend.pid.remote(), signal.SIGKILL)
        return attrs.asdict(await recover(self._backend.take.remote, kill))
