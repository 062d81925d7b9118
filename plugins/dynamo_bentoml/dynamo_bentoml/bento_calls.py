"""Calls that come in through BentoML's own routes, given to core's host."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from dynamo_core.host import CallContext

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from dynamo_core.host import Host


class HostEndpoints:
    """Runs such calls.

    Args:
        host: Runs the endpoints.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    async def call(self, endpoint: str, body: bytes) -> bytes:
        """Run a call; arguments and result are JSON."""
        hosted = self._host.endpoint(endpoint)
        result = await hosted.call(hosted.codec.decode_json_arguments(body), self._context(endpoint))
        return hosted.codec.encode_json_result(result)

    async def stream(self, endpoint: str, body: bytes) -> AsyncGenerator[bytes, None]:
        """Run a stream; each item is JSON."""
        hosted = self._host.endpoint(endpoint)
        items = hosted.stream(hosted.codec.decode_json_arguments(body), self._context(endpoint))
        async with contextlib.aclosing(items):
            async for item in items:
                yield hosted.codec.encode_json_item(item)

    def _context(self, endpoint: str) -> CallContext:
        return CallContext(service=self._host.name, endpoint=endpoint, slot=self._host.slot)
