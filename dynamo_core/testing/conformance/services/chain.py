"""Three services in a row, with every kind of endpoint and every kind of call between them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

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
from dynamo_core.testing.conformance.ledger import note


def describe_call() -> dict[str, Any]:
    """What the running endpoint may know about its call."""
    call = current_call()
    if call is None:
        return {}
    return {
        "service": call.service,
        "endpoint": call.endpoint,
        "slot": call.slot,
        "remaining_s": call.remaining_s(),
        "metadata": dict(call.metadata),
        "is_cancelled": call.is_cancelled,
        "pid": os.getpid(),
    }


@service
class Leaf:
    """Depends on nothing."""

    @endpoint
    async def echo(self, text: str) -> str:
        """Give back what came."""
        return text

    @endpoint
    async def add(self, a: int, b: int = 2, *, scale: int = 1) -> int:
        """Several parameters: positional, with a default, keyword-only."""
        return (a + b) * scale

    @endpoint
    async def noted(self, ledger: str, number: int) -> int:
        """Note that it ran."""
        note(ledger, f"ran {number}")
        return number

    @endpoint
    async def count(self, to: int, size_bytes: int = 0) -> AsyncIterator[Any]:
        """Numbers from 0, each with so many bytes beside it."""
        for number in range(to):
            yield [number, bytes(size_bytes)] if size_bytes else number

    @endpoint
    def shout(self, text: str) -> str:
        """Blocks."""
        return text.upper()

    @endpoint
    def letters(self, text: str) -> Iterator[str]:
        """Blocks at every step."""
        yield from text

    @endpoint(name="renamed")
    async def original(self) -> str:
        """Called by another name on the wire, and by its own in Python."""
        return describe_call()["endpoint"]  # type: ignore[no-any-return]  # a text

    @endpoint
    async def call_facts(self) -> dict[str, Any]:
        """What it knows about its call."""
        return describe_call()

    @endpoint
    def call_facts_in_thread(self) -> dict[str, Any]:
        """The same, from the endpoint's thread."""
        return describe_call()

    @endpoint
    async def stream_facts(self) -> AsyncIterator[dict[str, Any]]:
        """The same, from a stream."""
        yield describe_call()

    @endpoint
    async def nothing(self) -> None:
        """No arguments, no result."""

    async def hidden(self) -> str:
        """No endpoint."""
        return "hidden"


@service
class Middle:
    """Depends on ``Leaf``."""

    leaf = depends(Leaf)

    @endpoint
    async def echo(self, text: str) -> str:
        """Pass on."""
        return await self.leaf.echo(f"{text}>middle")

    @endpoint
    async def count(self, to: int) -> AsyncIterator[int]:
        """Pass on, and change each item."""
        async for number in self.leaf.count(to):
            yield number * 10

    @endpoint
    async def call_facts(self) -> list[dict[str, Any]]:
        """Its own, then those of the call it makes."""
        return [describe_call(), await self.leaf.call_facts()]


@service(http={"port": 0})
class Front:
    """Depends on both; calls them in every way there is."""

    middle = depends(Middle)
    leaf = depends(Leaf)

    @endpoint
    async def through_both(self, text: str) -> str:
        """A chain of three."""
        return await self.middle.echo(f"{text}>front")

    @endpoint
    async def unary(self, text: str) -> str:
        """Await a unary endpoint."""
        return await self.leaf.echo(text)

    @endpoint
    async def stream(self, to: int) -> AsyncIterator[int]:
        """Iterate a stream that iterates a stream."""
        async for number in self.middle.count(to):
            yield number

    @endpoint
    def sync(self, text: str) -> str:
        """Call a blocking endpoint from a thread."""
        return self.leaf.shout(text)

    @endpoint
    def sync_stream(self, text: str) -> Iterator[str]:
        """Iterate a blocking stream from a thread."""
        yield from self.leaf.letters(text)

    @endpoint
    async def sync_from_loop(self, text: str) -> str:
        """Call a blocking endpoint from the event loop."""
        return await to_async(self.leaf.shout)(text)

    @endpoint
    async def sync_stream_from_loop(self, text: str) -> list[str]:
        """Iterate a blocking stream from the event loop."""
        return [letter async for letter in to_async_stream(self.leaf.letters)(text)]

    @endpoint
    def unary_from_thread(self, text: str) -> str:
        """Call a unary endpoint from a thread."""
        return to_sync(self.leaf.echo)(text)

    @endpoint
    def stream_from_thread(self, to: int) -> list[Any]:
        """Iterate a stream from a thread."""
        return list(to_sync_stream(self.leaf.count)(to))

    @endpoint
    async def blocks_the_loop(self, text: str) -> str:
        """Call a blocking endpoint on the event loop, which is refused."""
        return self.leaf.shout(text)

    @endpoint
    async def streams_on_the_loop(self, text: str) -> list[str]:
        """Iterate a blocking stream on the event loop, which is refused."""
        return list(self.leaf.letters(text))

    @endpoint
    async def add(self, a: int) -> list[int]:
        """Leave out defaults, give them by position, by name."""
        return [await self.leaf.add(a), await self.leaf.add(a, 3), await self.leaf.add(b=4, a=a, scale=2)]

    @endpoint
    async def renamed(self) -> str:
        """Call an endpoint by its Python name."""
        return await self.leaf.original()

    @endpoint
    async def call_facts(self) -> list[dict[str, Any]]:
        """Its own, and those of the two calls that follow from it."""
        return [describe_call(), *await self.middle.call_facts()]

    @endpoint
    async def more_metadata(self, metadata: dict[str, str]) -> dict[str, Any]:
        """Add metadata to a call."""
        return await with_options(self.leaf, metadata=metadata).call_facts()

    @endpoint
    async def client_names(self) -> list[str]:
        """Public names of a client: those of its endpoints only."""
        return sorted(name for name in dir(self.leaf) if not name.startswith("_"))
