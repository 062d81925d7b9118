"""The floor: framed msgpack and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import Any

from benchmarks import backends
from benchmarks.floor import FloorClient, connect_floor, serve_floor
from benchmarks.sides.serving import is_ready, main


class Backend(backends.StreamingClient):
    """A client."""

    def __init__(self, client: FloorClient) -> None:
        self._client = client

    def echo(self, value: Any) -> Awaitable[Any]:
        return self._client.call("echo", value)

    echo_bytes = echo

    def echo_model(self, value: Any) -> Awaitable[Any]:
        raise NotImplementedError

    def _stream(self, kind: str, count: int) -> AsyncIterator[Any]:
        return self._client.stream(kind, count)


async def serve(path: str) -> None:
    async with await serve_floor(path, {"echo": backends.echo}, backends.STREAMS) as server:
        is_ready()
        await server.serve_forever()


@contextlib.asynccontextmanager
async def connect(path: str) -> AsyncIterator[Backend]:
    client = await connect_floor(path)
    yield Backend(client)
    client.transport.close()


if __name__ == "__main__":
    main(serve, connect)
