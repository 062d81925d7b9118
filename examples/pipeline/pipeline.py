"""Every kind of endpoint and every kind of value, through two services.

``Toolbox`` does the work; ``Pipeline`` offers it over HTTP and calls ``Toolbox`` through ``depends``.
README.md beside this file has a call for each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator

import attrs
import pydantic

from dynamo_core import api, depends, endpoint, service, to_async, to_async_stream


class Review(pydantic.BaseModel):
    """A pydantic model: its own validation runs before the method does."""

    title: str = pydantic.Field(min_length=1)
    stars: int = pydantic.Field(ge=1, le=5)


@attrs.frozen
class Point:
    """An attrs class."""

    x: float
    y: float = 0.0


@dataclasses.dataclass(frozen=True)
class Document:
    """A dataclass, with a list in it."""

    text: str
    tags: list[str] = dataclasses.field(default_factory=list)


@service
class Toolbox:
    """The work itself, reachable only from other services."""

    @endpoint
    async def length(self, text: str) -> int:  # called as an awaitable
        return len(text)

    @endpoint
    async def words(self, text: str) -> AsyncIterator[str]:  # called as an async iterator
        for word in text.split():
            yield word

    @endpoint
    def shout(self, text: str) -> str:  # runs in a thread
        return text.upper()

    @endpoint
    def letters(self, text: str) -> Iterator[str]:  # stepped in a thread
        yield from text

    @endpoint
    async def reverse(self, data: bytes) -> bytes:
        return data[::-1]

    @endpoint
    async def improve(self, review: Review) -> Review:
        return review.model_copy(update={"stars": min(5, review.stars + 1)})

    @endpoint
    async def mirror(self, point: Point) -> Point:
        return attrs.evolve(point, x=-point.x)

    @endpoint
    async def tag(self, document: Document) -> Document:
        return dataclasses.replace(document, tags=sorted({*document.tags, *document.text.split()}))


@service
class Pipeline:
    """The same, over HTTP."""

    tools = depends(Toolbox)

    @api
    async def length(self, text: str) -> int:
        return await self.tools.length(text)

    @api
    async def words(self, text: str) -> AsyncIterator[str]:
        async for word in self.tools.words(text):
            yield word

    @api
    def shout(self, text: str) -> str:
        return self.tools.shout(text)  # a blocking call: this method has a thread of its own

    @api
    def letters(self, text: str) -> Iterator[str]:
        yield from self.tools.letters(text)

    @api
    async def whisper(self, text: str) -> str:
        return (await to_async(self.tools.shout)(text)).lower()  # a blocking endpoint from the event loop

    @api
    async def spell(self, text: str) -> str:
        return "-".join([letter async for letter in to_async_stream(self.tools.letters)(text)])

    @api
    async def reverse(self, data: bytes) -> bytes:
        return await self.tools.reverse(data)

    @api
    async def improve(self, review: Review) -> Review:
        return await self.tools.improve(review)

    @api
    async def mirror(self, point: Point) -> Point:
        return await self.tools.mirror(point)

    @api
    async def tag(self, document: Document) -> Document:
        return await self.tools.tag(document)
