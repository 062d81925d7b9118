"""The same calls, made in another way: options, and views for loops and threads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from dynamo_core import (
    current_call,
    depends,
    endpoint,
    service,
    to_async,
    to_async_stream,
    to_sync,
    to_sync_stream,
    with_options,
)


class Backend:
    @endpoint
    async def unary(self, text: str, *, limit: int = 3) -> int:
        return limit

    @endpoint
    async def stream(self, text: str) -> AsyncIterator[float]:
        yield 1.0

    @endpoint
    def sync(self, numbers: list[int]) -> bytes:
        return bytes(numbers)

    @endpoint
    def sync_stream(self, text: str = "") -> Iterator[str]:
        yield from text


@service
class Frontend:
    backend = depends(Backend)

    @endpoint
    async def loop(self) -> None:
        quick = with_options(self.backend, timeout_s=2, routing="least_loaded", metadata={"a": "b"})
        assert_type(quick, Backend)
        assert_type(await with_options(quick, routing=3).unary("a", limit=1), int)
        assert_type(await to_async(self.backend.sync)([1]), bytes)
        assert_type(await to_async(self.backend.unary)("a", limit=1), int)
        async for letter in to_async_stream(self.backend.sync_stream)("a"):
            assert_type(letter, str)
        async for number in to_async_stream(self.backend.stream)("a"):
            assert_type(number, float)
        call = current_call()
        if call is not None:
            assert_type(call.service, str)
            assert_type(call.is_cancelled, bool)

    @endpoint
    def thread(self) -> None:
        assert_type(to_sync(self.backend.unary)("a", limit=1), int)
        assert_type(to_sync(self.backend.sync)(numbers=[1]), bytes)
        for number in to_sync_stream(self.backend.stream)("a"):
            assert_type(number, float)
        for letter in to_sync_stream(self.backend.sync_stream)():
            assert_type(letter, str)
