"""HTTP over a unix socket: Starlette on uvicorn, called with aiohttp's client."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from benchmarks import backends
from benchmarks.models import Prompt
from benchmarks.sides.serving import is_ready, main

_encode = msgspec.json.encode
_decode = msgspec.json.decode


async def echo(request: Request) -> Response:
    return Response(_encode(_decode(await request.body())), media_type="application/json")


async def echo_model(request: Request) -> Response:
    value = Prompt.model_validate_json(await request.body())
    return Response(value.model_dump_json(), media_type="application/json")


async def echo_bytes(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")


async def stream(request: Request) -> Response:
    source = backends.STREAMS[request.path_params["kind"]]

    async def lines() -> AsyncIterator[bytes]:
        async for item in source(int(request.path_params["count"])):
            yield _encode(item) + b"\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


class Server(uvicorn.Server):
    """Tells when it serves."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        is_ready()


async def serve(path: str) -> None:
    routes = [
        Route("/echo", echo, methods=["POST"]),
        Route("/echo_model", echo_model, methods=["POST"]),
        Route("/echo_bytes", echo_bytes, methods=["POST"]),
        Route("/stream/{kind}/{count:int}", stream),
    ]
    config = uvicorn.Config(
        Starlette(routes=routes),
        uds=path,
        http="httptools",
        log_config=None,
        access_log=False,
        lifespan="off",
    )
    await Server(config).serve()


class Backend(backends.StreamingClient):
    """A client."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def _post(self, path: str, body: bytes) -> bytes:
        async with self._session.post(f"http://backend{path}", data=body) as answer:
            whole: bytes = await answer.read()
            return whole

    async def echo(self, value: Any) -> Any:
        return _decode(await self._post("/echo", _encode(value)))

    async def echo_model(self, value: Prompt) -> Prompt:
        return Prompt.model_validate_json(await self._post("/echo_model", value.model_dump_json().encode()))

    async def echo_bytes(self, value: bytes) -> bytes:
        return await self._post("/echo_bytes", value)

    async def _stream(self, kind: str, count: int) -> AsyncIterator[Any]:
        async with self._session.get(f"http://backend/stream/{kind}/{count}") as answer:
            async for line in answer.content:
                yield _decode(line)


@contextlib.asynccontextmanager
async def connect(path: str) -> AsyncIterator[Backend]:
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path, limit=0)) as session:
        yield Backend(session)


if __name__ == "__main__":
    main(serve, connect)
