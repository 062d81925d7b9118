"""A wrong argument in each of the four kinds of call, and other misuse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Protocol

from dynamo_core import depends, endpoint, service


def take_number(number: int) -> None: ...


class Store(Protocol):
    async def read(self, key: str) -> bytes: ...


@service
class Backend:
    @endpoint
    async def unary(self, text: str, *, limit: int = 3) -> str:
        return text

    @endpoint
    async def stream(self, text: str) -> AsyncIterator[str]:
        yield text

    @endpoint
    def sync(self, numbers: list[int]) -> bytes:
        return bytes(numbers)

    @endpoint
    def sync_stream(self, text: str) -> Iterator[str]:
        yield text


class Unlike:
    @endpoint
    async def unary(self, number: int) -> str:
        return str(number)


@service
class Frontend:
    backend = depends(Backend)
    store = depends(Store)

    @endpoint
    async def loop(self) -> None:
        await self.backend.unary(3)  # error: arg-type
        await self.backend.unary("a", 3)  # error: call-arg
        await self.backend.unary("a", limit="b")  # error: arg-type
        await self.backend.unary()  # error: call-arg
        take_number(await self.backend.unary("a"))  # error: arg-type
        async for item in self.backend.stream(3):  # error: arg-type
            take_number(item)  # error: arg-type
        for item in self.backend.stream("a"):  # error: attr-defined
            print(item)
        await self.backend.stream("a")  # error: misc
        await self.backend.nothing()  # error: attr-defined
        await self.store.read(3)  # error: arg-type
        await self.store.write("a")  # error: attr-defined

    @endpoint
    def thread(self) -> None:
        self.backend.sync(["a"])  # error: list-item
        self.backend.sync(numbers=3)  # error: arg-type
        for letter in self.backend.sync_stream(text=3):  # error: arg-type
            letter.nothing()  # error: attr-defined
        take_number(self.backend.sync([1]))  # error: arg-type


frontend = Frontend()
frontend.backend = Unlike()  # error: assignment
frontend.store = Backend()  # error: assignment
