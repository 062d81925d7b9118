"""Three services in a row: each puts its name before what the next one streams.

Serve it:   dynamo serve hello_world.py:Frontend -f config.yaml
Call it:    curl -N -X POST 127.0.0.1:8000/generate -H 'content-type: application/json' -d '{"text": "hello"}'
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from dynamo_core import ServiceContext, api, depends, endpoint, service


@service
class Backend:
    """Streams the words of a text."""

    context: ServiceContext

    @endpoint
    async def generate(self, text: str) -> AsyncIterator[str]:
        separator = self.context.settings.text("separator", ": ")
        delay_s = self.context.settings.typed("delay_s", float, 0.0)
        for word in text.split():
            yield f"Backend{separator}{word}"
            await asyncio.sleep(delay_s)


@service
class Middle:
    """Passes on what the backend streams, item by item."""

    context: ServiceContext
    backend = depends(Backend)

    @endpoint
    async def generate(self, text: str) -> AsyncIterator[str]:
        separator = self.context.settings.text("separator", ": ")
        async for item in self.backend.generate(text):
            yield f"Middle{separator}{item}"


@service
class Frontend:
    """What the world reaches: ``@api`` makes an endpoint a route."""

    context: ServiceContext
    middle = depends(Middle)

    @api
    async def generate(self, text: str) -> AsyncIterator[str]:
        separator = self.context.settings.text("separator", ": ")
        async for item in self.middle.generate(text):
            yield f"Frontend{separator}{item}"
