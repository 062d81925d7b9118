"""The floor does what it is the floor of."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmarks import backends
from benchmarks.floor import FloorClient, connect_floor, serve_floor


@pytest.fixture
async def client() -> AsyncIterator[FloorClient]:
    """A client of a server in the same loop."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "s")
        server = await serve_floor(path, {"echo": backends.echo}, dict(backends.STREAMS))
        client = await connect_floor(path)
        yield client
        client.transport.close()
        server.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 5)


async def test_calls_are_answered_each_with_its_own(client: FloorClient) -> None:
    answers = await asyncio.gather(*(client.call("echo", {"number": number}) for number in range(100)))
    assert answers == [{"number": number} for number in range(100)]


@pytest.mark.parametrize("kind", ["ready", "suspending"])
async def test_streams_are_whole(client: FloorClient, kind: str) -> None:
    assert [item async for item in client.stream(kind, 50)] == [backends.ITEM] * 50
