"""What is called: the same few lines of work on every side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from benchmarks.work import ITEM


async def echo(value: dict[str, Any]) -> dict[str, Any]:
    return value


async def ready(count: int) -> AsyncIterator[str]:
    for _ in range(count):
        yield ITEM


async def suspending(count: int) -> AsyncIterator[str]:
    for _ in range(count):
        await asyncio.sleep(0)
        yield ITEM


async def slow(count: int) -> AsyncIterator[str]:
    for _ in range(count):
        yield ITEM
        await asyncio.sleep(0.005)


STREAMS: dict[str, Callable[[Any], AsyncIterator[Any]]] = {
    "ready": ready,
    "suspending": suspending,
    "slow": slow,
}


class StreamingClient:
    """The streams of a client that opens each kind in the same way."""

    def _stream(self, kind: str, count: int) -> AsyncIterator[Any]:
        raise NotImplementedError

    def ready(self, count: int) -> AsyncIterator[Any]:
        return self._stream("ready", count)

    def suspending(self, count: int) -> AsyncIterator[Any]:
        return self._stream("suspending", count)

    def slow(self, count: int) -> AsyncIterator[Any]:
        return self._stream("slow", count)
