"""The graph that is measured on BentoML, served by ``bentoml serve``: written for BentoML, as its users do."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import attrs
import bentoml

from benchmarks.models import Prompt
from benchmarks.pinning import pin_callee, pin_caller
from benchmarks.sides.bento_options import OPTIONS
from benchmarks.sides.living import TAKES_S, recover
from benchmarks.work import ITEM, measure


@bentoml.service(workers=1, **OPTIONS)
class Backend:
    def __init__(self) -> None:
        pin_callee()

    @bentoml.api
    async def echo(self, value: dict[str, Any]) -> dict[str, Any]:
        return value

    @bentoml.api
    async def echo_model(self, value: Prompt) -> Prompt:
        return value

    @bentoml.api
    async def ready(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            yield ITEM

    @bentoml.api
    async def suspending(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            await asyncio.sleep(0)
            yield ITEM

    @bentoml.api
    async def slow(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            yield ITEM
            await asyncio.sleep(0.005)

    @bentoml.api
    async def pid(self) -> int:
        return os.getpid()

    @bentoml.api
    async def take(self) -> None:
        await asyncio.sleep(TAKES_S)


class Client:
    """A client; what BentoML gives for a dependency takes arguments by name."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def echo(self, value: Any) -> Awaitable[Any]:
        return self._backend.to_async.echo(value=value)  # type: ignore[no-any-return]

    def echo_model(self, value: Any) -> Awaitable[Any]:
        return self._backend.to_async.echo_model(value=value)  # type: ignore[no-any-return]

    def echo_bytes(self, value: bytes) -> Awaitable[bytes]:
        raise NotImplementedError

    def ready(self, count: int) -> AsyncIterator[str]:
        return _items(self._backend.to_async.ready(count=count))

    def suspending(self, count: int) -> AsyncIterator[str]:
        return _items(self._backend.to_async.suspending(count=count))

    async def slow(self, count: int) -> AsyncIterator[str]:
        async for item in self._backend.to_async.slow(count=count):
            yield item


async def _items(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    """The items of a stream: BentoML's client gives what each read has brought, wherever that ends."""
    left = 0
    async for chunk in chunks:
        left += len(chunk)
        while left >= len(ITEM):
            left -= len(ITEM)
            yield ITEM


@bentoml.service(workers=1, **OPTIONS)
class Frontend:
    backend = bentoml.depends(Backend)

    def __init__(self) -> None:
        pin_caller()

    @bentoml.api
    async def measure(self) -> str:
        """Do all the work from here."""
        return json.dumps(await measure(Client(self.backend)))

    @bentoml.api
    async def ask(self) -> int:
        """Answer once, if the backend does."""
        return await self.backend.to_async.pid()  # type: ignore[attr-defined, no-any-return]

    @bentoml.api
    async def recover(self) -> str:
        """Kill the backend under load."""
        backend = self.backend.to_async  # type: ignore[attr-defined]
        kill = functools.partial(os.kill, int(await backend.pid()), signal.SIGKILL)
        return json.dumps(attrs.asdict(await recover(backend.take, kill)))
