"""grpc.aio over a unix socket, with msgpack for messages."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import msgspec

from benchmarks import backends
from benchmarks.models import Prompt
from benchmarks.sides.serving import is_ready, main
from benchmarks.work import MEBIBYTE

_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.decode
_OPTIONS = [("grpc.max_receive_message_length", 4 * MEBIBYTE)]
_SERVICE = "benchmark.Backend"


async def _echo(request: Any, _: Any) -> Any:
    return request


async def _echo_model(request: bytes, _: Any) -> bytes:
    return _dump(Prompt.model_validate_json(request))


def _dump(value: Prompt) -> bytes:
    return value.model_dump_json().encode()


def _stream_of(kind: str) -> Any:
    source = backends.STREAMS[kind]

    async def stream(request: int, _: Any) -> AsyncIterator[Any]:
        async for item in source(request):
            yield item

    return stream


async def serve(path: str) -> None:
    coded = {"request_deserializer": _decode, "response_serializer": _encode}
    handlers = {
        "echo": grpc.unary_unary_rpc_method_handler(_echo, **coded),
        "echo_model": grpc.unary_unary_rpc_method_handler(_echo_model),
        "echo_bytes": grpc.unary_unary_rpc_method_handler(_echo),
        **{
            kind: grpc.unary_stream_rpc_method_handler(_stream_of(kind), **coded) for kind in backends.STREAMS
        },
    }
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    is_ready()
    await server.wait_for_termination()


class Backend(backends.StreamingClient):
    """A client."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        coded = {"request_serializer": _encode, "response_deserializer": _decode}
        self.echo = channel.unary_unary(f"/{_SERVICE}/echo", **coded)
        self.echo_bytes = channel.unary_unary(f"/{_SERVICE}/echo_bytes")
        self._echo_model = channel.unary_unary(f"/{_SERVICE}/echo_model")
        self._streams = {
            kind: channel.unary_stream(f"/{_SERVICE}/{kind}", **coded) for kind in backends.STREAMS
        }

    async def echo_model(self, value: Prompt) -> Prompt:
        return Prompt.model_validate_json(await self._echo_model(_dump(value)))

    async def _stream(self, kind: str, count: int) -> AsyncIterator[Any]:
        call = self._streams[kind](count)
        try:
            async for item in call:
                yield item
        finally:
            call.cancel()


@contextlib.asynccontextmanager
async def connect(path: str) -> AsyncIterator[Backend]:
    async with grpc.aio.insecure_channel(f"unix:{path}", options=_OPTIONS) as channel:
        yield Backend(channel)


if __name__ == "__main__":
    main(serve, connect)
