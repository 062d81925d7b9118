"""The floor: as little as two processes need to call each other over a unix socket with framed msgpack.

uvloop, msgspec, request ids on one connection, one task per request, what one turn of the loop writes in one piece,
and no features: no errors, no deadlines, no cancellation, no limits, no flow control.
What a framework adds is measured against it.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec

_LENGTH = struct.Struct("!I")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_STREAM_END = None

Unary = Callable[[Any], Awaitable[Any]]
Stream = Callable[[Any], AsyncIterator[Any]]


class FramedProtocol(asyncio.Protocol):
    """Length-prefixed msgpack arrays, each handed to ``take``."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._pending = bytearray()
        self._unsent: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        pending = self._pending
        pending += data
        size = len(pending)
        start = 0
        view = memoryview(pending)
        while size - start >= 4:
            (length,) = _LENGTH.unpack_from(view, start)
            end = start + 4 + length
            if end > size:
                break
            self.take(_decode(view[start + 4 : end]))
            start = end
        view.release()
        del pending[:start]

    def send(self, message: list[Any]) -> None:
        body = _encode(message)
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(_LENGTH.pack(len(body)) + body)

    def _flush(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def take(self, message: list[Any]) -> None:
        raise NotImplementedError


class FloorServer(FramedProtocol):
    """Answers ``[id, name, argument]`` with ``[id, result]``, or one such message per item."""

    def __init__(self, unary: dict[str, Unary], streams: dict[str, Stream]) -> None:
        super().__init__()
        self._unary = unary
        self._streams = streams
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, message: list[Any]) -> None:
        number, name, argument = message
        answer = self._answer_stream if name in self._streams else self._answer
        task = asyncio.get_running_loop().create_task(answer(number, name, argument))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, number: int, name: str, argument: Any) -> None:
        self.send([number, await self._unary[name](argument)])

    async def _answer_stream(self, number: int, name: str, argument: Any) -> None:
        async for item in self._streams[name](argument):
            self.send([number, item])
        self.send([number, _STREAM_END])


class FloorClient(FramedProtocol):
    """Calls a :class:`FloorServer`."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._streams: dict[int, tuple[deque[Any], asyncio.Event]] = {}

    def take(self, message: list[Any]) -> None:
        number, value = message
        call = self._calls.pop(number, None)
        if call is not None:
            call.set_result(value)
        else:
            items, arrived = self._streams[number]
            items.append(value)
            arrived.set()

    async def call(self, name: str, argument: Any) -> Any:
        self._number += 1
        call = self._calls[self._number] = self._loop.create_future()
        self.send([self._number, name, argument])
        return await call

    async def stream(self, name: str, argument: Any) -> AsyncIterator[Any]:
        self._number += 1
        number = self._number
        items, arrived = self._streams[number] = (deque(), asyncio.Event())
        self.send([number, name, argument])
        while True:
            while items:
                item = items.popleft()
                if item is _STREAM_END:
                    del self._streams[number]
                    return
                yield item
            arrived.clear()
            await arrived.wait()


async def serve_floor(path: str, unary: dict[str, Unary], streams: dict[str, Stream]) -> asyncio.Server:
    """Serve on a unix socket."""
    loop = asyncio.get_running_loop()
    return await loop.create_unix_server(lambda: FloorServer(unary, streams), path)


async def connect_floor(path: str) -> FloorClient:
    """Connect to a unix socket."""
    _, client = await asyncio.get_running_loop().create_unix_connection(FloorClient, path)
    return client
