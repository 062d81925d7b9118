"""The Dynamo runtime: its Rust core with endpoints in Python, found through files, called over TCP."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from dynamo.runtime import DistributedRuntime

from benchmarks import backends
from benchmarks.models import Prompt
from benchmarks.sides.serving import is_ready, main

os.environ.setdefault("DYN_LOG", "off")

_COMPONENT = "benchmark.backend"
_UNARY = ("echo", "echo_model")


def _open_runtime(path: str) -> DistributedRuntime:
    folder = Path(path).parent / "discovery"
    folder.mkdir(exist_ok=True)
    os.environ["DYN_FILE_KV"] = str(folder)
    os.environ.setdefault("DYN_TCP_RPC_HOST", "127.0.0.1")
    return DistributedRuntime(asyncio.get_running_loop(), "file", "tcp", event_plane="zmq")


async def _echo(request: Any) -> AsyncIterator[Any]:
    yield request


async def _echo_model(request: str) -> AsyncIterator[str]:
    yield Prompt.model_validate_json(request).model_dump_json()


def _stream_of(kind: str) -> Any:
    source = backends.STREAMS[kind]

    async def stream(request: int) -> AsyncIterator[str]:
        async for item in source(request):
            yield item

    return stream


async def serve(path: str) -> None:
    runtime = _open_runtime(path)
    handlers = {
        "echo": _echo,
        "echo_model": _echo_model,
        **{kind: _stream_of(kind) for kind in backends.STREAMS},
    }
    async with asyncio.TaskGroup() as tasks:
        for name, handler in handlers.items():
            tasks.create_task(_serve(runtime, name, handler))
        is_ready()


async def _serve(runtime: DistributedRuntime, name: str, handler: Any) -> None:
    await runtime.endpoint(f"{_COMPONENT}.{name}").serve_endpoint(handler)


class Backend(backends.StreamingClient):
    """A client: what answers once is a stream of one item here."""

    def __init__(self, clients: dict[str, Any]) -> None:
        self._clients = clients

    async def _call(self, name: str, value: Any) -> Any:
        async for answer in await self._clients[name].round_robin(value, annotated=False):
            return answer
        raise ValueError(f"{name} has given nothing")

    async def echo(self, value: Any) -> Any:
        return await self._call("echo", value)

    async def echo_model(self, value: Prompt) -> Prompt:
        return Prompt.model_validate_json(await self._call("echo_model", value.model_dump_json()))

    async def echo_bytes(self, value: bytes) -> bytes:
        raise NotImplementedError

    async def _stream(self, kind: str, count: int) -> AsyncIterator[Any]:
        async for item in await self._clients[kind].round_robin(count, annotated=False):
            yield item


@contextlib.asynccontextmanager
async def connect(path: str) -> AsyncIterator[Backend]:
    runtime = _open_runtime(path)
    clients = {}
    for name in (*_UNARY, *backends.STREAMS):
        clients[name] = await runtime.endpoint(f"{_COMPONENT}.{name}").client()
        await clients[name].wait_for_instances()
    yield Backend(clients)
    runtime.shutdown()


if __name__ == "__main__":
    main(serve, connect)
