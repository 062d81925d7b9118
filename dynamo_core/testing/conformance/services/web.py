"""Endpoints that HTTP reaches, of every kind, with a service behind them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator

from dynamo_core import api, depends, endpoint, readiness, service
from dynamo_core.testing.conformance.ledger import note
from dynamo_core.testing.conformance.services.chain import Leaf


@dataclasses.dataclass
class Prompt:
    """The body of a request."""

    text: str
    count: int = 1


@service(http={"port": 0, "max_body_bytes": 65536})
class Web:
    """Listens for HTTP."""

    leaf = depends(Leaf)

    def __init__(self) -> None:
        self._is_open = True

    @readiness
    def is_open(self) -> bool:
        """What ``open_or_close`` was told last."""
        return self._is_open

    @endpoint
    async def open_or_close(self, is_open: bool) -> None:
        """Say from now on that it is ready, or not."""
        self._is_open = is_open

    @api
    async def add(self, a: int, b: int = 2) -> int:
        """Parameters by name."""
        return a + b

    @api
    async def repeat(self, prompt: Prompt) -> Prompt:
        """A model as the body."""
        return Prompt(text=prompt.text * prompt.count)

    @api
    async def reverse(self, data: bytes) -> bytes:
        """Bytes as they are."""
        return data[::-1]

    @api(method="GET", path="/search")
    async def search(self, q: str, limit: int = 2) -> list[str]:
        """Query parameters."""
        return [q] * limit

    @api
    async def words(self, text: str) -> AsyncIterator[str]:
        """A stream."""
        for word in text.split():
            yield word

    @api
    def shout(self, text: str) -> str:
        """In a thread, and through a dependency."""
        return self.leaf.shout(text)

    @api
    def letters(self, text: str) -> Iterator[str]:
        """A stream in a thread, and through a dependency."""
        yield from self.leaf.letters(text)

    @api
    async def far_count(self, to: int) -> AsyncIterator[int]:
        """A stream through a dependency."""
        async for number in self.leaf.count(to):
            yield number

    @api
    async def breaking(self, count: int) -> AsyncIterator[int]:
        """A stream that fails."""
        for number in range(count):
            yield number
        raise ValueError("only the log says this")

    @api
    async def secretive(self) -> None:
        """Fails with something that nobody outside may read."""
        raise ValueError("the password is swordfish")

    @api(timeout_s=0.2)
    async def too_slow(self) -> None:
        """Has no time."""
        await asyncio.Event().wait()

    @api
    async def wait(self, ledger: str) -> None:
        """Wait until the client leaves."""
        note(ledger, "began")
        try:
            await asyncio.Event().wait()
        finally:
            note(ledger, "ended")

    @endpoint
    async def inner(self) -> str:
        """Not reached by HTTP."""
        return "inner"
