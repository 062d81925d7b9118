"""A service whose dependency runs elsewhere: the kit gives the edge an address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from dynamo_core import depends, endpoint, service, to_async, with_options
from dynamo_core.testing.conformance.services.web import Prompt, Web


@service
class Near:
    """Calls what it depends on, in every way there is."""

    far = depends(Web)

    @endpoint
    async def add(self, a: int) -> list[int]:
        """Leave out a default, and give it by name."""
        return [await self.far.add(a), await self.far.add(a, b=5)]

    @endpoint
    async def repeat(self, text: str, count: int) -> Prompt:
        """Send a model, and get one."""
        return await self.far.repeat(Prompt(text=text, count=count))

    @endpoint
    async def reverse(self, data: bytes) -> bytes:
        """Bytes both ways."""
        return await self.far.reverse(data)

    @endpoint
    async def search(self, q: str, limit: int) -> list[str]:
        """A GET with a path of its own."""
        return await self.far.search(q, limit=limit)

    @endpoint
    async def words(self, text: str) -> AsyncIterator[str]:
        """Pass a stream on."""
        async for word in self.far.words(text):
            yield word

    @endpoint
    def shout(self, text: str) -> str:
        """Call a blocking endpoint from a thread."""
        return self.far.shout(text)

    @endpoint
    async def shout_from_loop(self, text: str) -> str:
        """Call it from the event loop."""
        return await to_async(self.far.shout)(text)

    @endpoint
    def letters(self, text: str) -> Iterator[str]:
        """Iterate a blocking stream from a thread."""
        yield from self.far.letters(text)

    @endpoint
    async def breaking(self, count: int) -> AsyncIterator[int]:
        """Pass on a stream that fails."""
        async for number in self.far.breaking(count):
            yield number

    @endpoint
    async def failure(self, what: str) -> list[str]:
        """Class and text of what a call raises, by what is wrong with it."""
        far: Any = self.far  # one of the calls is wrong
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "raises": far.secretive,
            "bad arguments": lambda: far.add("one"),
            "limit of its own": far.too_slow,
            "limit of the caller": lambda: with_options(far, timeout_s=0.2).wait(""),
            "not reached by HTTP": far.inner,
        }
        try:
            await calls[what]()
        except Exception as exc:  # noqa: BLE001  # it is what was asked for
            return [type(exc).__name__, str(exc)]
        return []

    @endpoint
    async def wait(self, ledger: str) -> None:
        """Wait for a call that does not end."""
        await self.far.wait(ledger)
