"""Peers that speak the wire format by hand, or do not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from dynamo_core.transport.begun import ENTRIES, BegunMarks, BegunPage
from dynamo_core.transport.frames import CALL, WELCOME, FrameDecoder, encode_frame
from dynamo_core.transport.handshake import Greeter, send_hello
from dynamo_core.transport.messages import Hello, Welcome, encode

from .serving_for_tests import NAME, RUN_ID

if TYPE_CHECKING:
    from .serving_for_tests import SlotSocket

Frame = tuple[int, int, int, bytes]


def hello(**changes: Any) -> Hello:
    """What a proper caller says."""
    fields: dict[str, Any] = {
        "run_id": RUN_ID,
        "service": NAME,
        "slot": 0,
        "max_frame_bytes": 1 << 20,
        "stream_window_items": 10,
        "stream_window_bytes": 1 << 20,
    }
    return Hello(**{**fields, **changes})


def welcome(**changes: Any) -> Welcome:
    """What a proper worker says."""
    fields: dict[str, Any] = {
        "run_id": RUN_ID,
        "service": NAME,
        "slot": 0,
        "generation": 0,
        "pid": 1,
        "max_frame_bytes": 1 << 24,
        "marks_page": False,
    }
    return Welcome(**{**fields, **changes})


class RawPeer:
    """One end of a connection, frame by frame."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setblocking(False)
        self._decoder = FrameDecoder(1 << 24)
        self._frames: list[Frame] = []

    @classmethod
    async def connect(cls, path: str) -> RawPeer:
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, path)
        return cls(sock)

    @classmethod
    async def open(cls, path: str, *, page: BegunPage | None = None, **changes: Any) -> RawPeer:
        """Connect and shake hands as a caller."""
        peer = await cls.connect(path)
        send_hello(peer.sock, hello(**changes), None if page is None else page.fd)
        assert (await peer.read())[0] == WELCOME
        return peer

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def read(self) -> Frame:
        """The next frame.

        Raises:
            EOFError: The connection has ended.
        """
        while not self._frames:
            async with asyncio.timeout(10):
                try:
                    data = await asyncio.get_running_loop().sock_recv(self.sock, 65536)
                except ConnectionError:
                    data = b""
            if not data:
                raise EOFError
            for kind, flags, number, body in self._decoder.feed(data):
                self._frames.append((kind, flags, number, bytes(body)))
        return self._frames.pop(0)

    async def read_to_end(self) -> list[Frame]:
        """Every frame until the connection ends."""
        found = []
        with contextlib.suppress(EOFError):
            while True:
                found.append(await self.read())
        return found

    def close(self) -> None:
        self.sock.close()


class FakeWorker:
    """Welcomes callers and hands each connection to a function.

    Attributes:
        calls: Calls it has read, over all connections.
        connections: Connections it has welcomed.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.connections = 0
        self.marks: BegunMarks | None = None

    def mark(self, number: int) -> None:
        """Note in the page that a call has begun."""
        assert self.marks is not None
        self.marks.table[number % ENTRIES] = number

    async def read_call(self, peer: RawPeer) -> int:
        """Number of the next call."""
        while True:
            kind, _, number, _ = await peer.read()
            if kind == CALL:
                self.calls += 1
                return number


@contextlib.asynccontextmanager
async def faking(
    slot_socket: SlotSocket,
    behave: Callable[[FakeWorker, RawPeer], Awaitable[None]],
    *,
    takes_page: bool = True,
    **changes: Any,
) -> AsyncIterator[FakeWorker]:
    """Serve a slot with *behave*, one connection after the other; each is closed when it returns."""
    worker = FakeWorker()
    loop = asyncio.get_running_loop()
    listener = slot_socket.copy()
    listener.setblocking(False)

    async def serve() -> None:
        while True:
            sock, _ = await loop.sock_accept(listener)
            greeter = Greeter(loop, sock)
            peer = RawPeer(sock)
            try:
                await greeter.read_hello()
                marks = BegunMarks.open(greeter.take_page_fd())
                worker.marks = marks if takes_page else None
                worker.connections += 1
                answer = welcome(marks_page=takes_page, **changes)
                await peer.send(encode_frame(WELCOME, body=encode(answer)))
                with contextlib.suppress(EOFError, ConnectionError):
                    await behave(worker, peer)
                if marks is not None:
                    marks.close()
            finally:
                greeter.close()
                peer.close()

    serving = asyncio.create_task(serve())
    try:
        yield worker
    finally:
        listener.close()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
