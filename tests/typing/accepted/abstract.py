"""Edges that name an abstract class or a protocol, which cannot be instantiated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Protocol, assert_type

from dynamo_core import Dependency, ServiceGraph, depends, endpoint, link, service


class Engine(ABC):
    @endpoint
    @abstractmethod
    async def generate(self, text: str) -> str: ...

    @abstractmethod
    def stream(self, text: str) -> AsyncIterator[int]: ...


class Store(Protocol):
    async def read(self, key: str) -> bytes: ...

    def names(self) -> AsyncIterator[str]: ...


class Memory:
    @endpoint
    async def read(self, key: str) -> bytes:
        return b""

    @endpoint
    async def names(self) -> AsyncIterator[str]:
        yield ""


class SmallEngine(Engine):
    async def generate(self, text: str) -> str:
        return text

    @endpoint
    async def stream(self, text: str) -> AsyncIterator[int]:
        yield 1


@service
class Frontend:
    engine = depends(Engine)
    store = depends(Store)

    @endpoint
    async def run(self) -> None:
        assert_type(self.engine, Engine)
        assert_type(self.store, Store)
        assert_type(await self.engine.generate("a"), str)
        assert_type([item async for item in self.engine.stream("a")], list[int])
        assert_type(await self.store.read("a"), bytes)
        assert_type([name async for name in self.store.names()], list[str])


assert_type(Frontend.engine, Dependency[Engine])
assert_type(link(Frontend, SmallEngine, Memory), ServiceGraph)


def with_fakes() -> Frontend:
    frontend = Frontend()
    frontend.engine = SmallEngine()
    frontend.store = Memory()
    return frontend
