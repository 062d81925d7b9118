"""All four kinds of call through ``depends``, as editors and type checkers see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

from dynamo_core import Dependency, api, depends, endpoint, service


class Point:
    x: float


@service
class Backend:
    @endpoint
    async def unary(self, text: str, *, limit: int = 3) -> Point:
        return Point()

    @endpoint(name="items", timeout_s=2)
    async def stream(self, text: str) -> AsyncIterator[Point]:
        yield Point()

    @endpoint
    def sync(self, numbers: list[int]) -> bytes:
        return bytes(numbers)

    @endpoint(idempotent=True)
    def sync_stream(self, text: str = "") -> Iterator[str]:
        yield from text


@service(name="front", workers=2, http={"port": 0}, envs={"A": "1"})
class Frontend:
    backend = depends(Backend)
    later: Dependency[Later] = depends("Later")
    unknown = depends("Later")
    elsewhere = depends(Backend, url="http://127.0.0.1:8000")

    @api
    async def loop(self, text: str) -> str:
        assert_type(self.backend, Backend)
        assert_type(await self.backend.unary(text, limit=1), Point)
        assert_type(await self.backend.unary(text=text), Point)
        async for item in self.backend.stream(text):
            assert_type(item, Point)
        assert_type(await self.later.say(1), str)
        assert_type(self.unknown, Any)
        assert_type(self.elsewhere, Backend)
        return text

    @api(method="GET", path="/thread")
    def thread(self, text: str) -> bytes:
        for letter in self.backend.sync_stream(text):
            assert_type(letter, str)
        return assert_type(self.backend.sync([1]), bytes)


class Later:
    @endpoint
    async def say(self, number: int) -> str:
        return str(number)


class Fake(Backend):
    def sync(self, numbers: list[int]) -> bytes:
        return b""


def test_fakes_and_direct_calls() -> None:
    frontend = Frontend()
    frontend.backend = Fake()
    assert_type(frontend, Frontend)
    assert_type(frontend.thread("a"), bytes)
    assert_type(Frontend.backend, Dependency[Backend])
    assert_type(Backend().sync([1]), bytes)
