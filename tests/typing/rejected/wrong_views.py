"""Views check arguments and results as the calls themselves do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from dynamo_core import (
    depends,
    endpoint,
    service,
    to_async,
    to_async_stream,
    to_sync,
    to_sync_stream,
    with_options,
)


def take_text(text: str) -> None: ...


class Backend:
    @endpoint
    async def unary(self, text: str) -> int:
        return len(text)

    @endpoint
    async def stream(self, text: str) -> AsyncIterator[float]:
        yield 1.0

    @endpoint
    def sync(self, numbers: list[int]) -> bytes:
        return bytes(numbers)

    @endpoint
    def sync_stream(self, text: str) -> Iterator[str]:
        yield text


@service
class Frontend:
    backend = depends(Backend)

    @endpoint
    async def loop(self) -> None:
        await to_async(self.backend.sync)("a")  # error: arg-type
        await to_async(self.backend.sync)()  # error: call-arg
        take_text(await to_async(self.backend.sync)([1]))  # error: arg-type
        async for letter in to_async_stream(self.backend.sync_stream)(3):  # error: arg-type
            letter.nothing()  # error: attr-defined
        to_async_stream(self.backend.unary)  # error: arg-type
        await with_options(self.backend, timeout_s=2).unary(3)  # error: arg-type
        with_options(self.backend, timeout_s="2")  # error: arg-type
        with_options(self.backend, routing="quickest")  # error: arg-type
        with_options(self.backend, timeout=2)  # error: call-arg

    @endpoint
    def thread(self) -> None:
        to_sync(self.backend.unary)(3)  # error: arg-type
        take_text(to_sync(self.backend.unary)("a"))  # error: arg-type
        for item in to_sync_stream(self.backend.stream)(text=3):  # error: arg-type
            item.nothing()  # error: attr-defined
