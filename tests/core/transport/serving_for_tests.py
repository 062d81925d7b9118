"""A service, workers that serve it on sockets in short folders, and channels to them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import attrs

from dynamo_core import endpoint, service
from dynamo_core.client import make_client
from dynamo_core.config import ServiceConfig
from dynamo_core.host import Host, current_call
from dynamo_core.inspection import define_service
from dynamo_core.transport import Member, ServiceServer, SlotChannel, TransportLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

RUN_ID = "run-1"
NAME = "Backend"
QUICK = TransportLimits(handshake_timeout_s=5, unavailable_timeout_s=10)


@service(name=NAME)
class Backend:
    """What most tests call."""

    def __init__(self) -> None:
        self.ledger: list[str] = []
        self.produced = 0
        self.data = b""
        self.began = asyncio.Event()
        self.released = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.closed = asyncio.Event()

    @endpoint
    async def echo(self, value: Any) -> Any:
        self.ledger.append("echo")
        return value

    @endpoint
    async def where(self) -> int:
        call = current_call()
        assert call is not None
        self.ledger.append("where")
        return call.slot

    @endpoint
    async def about(self) -> dict[str, Any]:
        call = current_call()
        assert call is not None
        return {"metadata": dict(call.metadata), "remaining_s": call.remaining_s()}

    @endpoint
    async def fail(self) -> None:
        raise LookupError("nothing is here")

    @endpoint
    async def fail_at_length(self, size: int) -> None:
        raise LookupError("x" * size)

    @endpoint
    async def size(self, data: bytes) -> int:
        return len(data)

    @endpoint
    async def make(self, size: int) -> bytes:
        return bytes(size)

    @endpoint
    async def kept(self) -> bytes:
        return self.data

    @endpoint
    async def kept_items(self) -> AsyncIterator[bytes]:
        yield self.data

    @endpoint
    def double(self, number: int) -> int:
        return 2 * number

    @endpoint
    async def hold(self) -> str:
        return await self._hold()

    @endpoint(idempotent=True)
    async def hold_again(self) -> str:
        return await self._hold()

    async def _hold(self) -> str:
        self.began.set()
        self.ledger.append("hold")
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.ledger.append("cancelled")
            self.cancelled.set()
            raise
        return "released"

    @endpoint
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    @endpoint
    async def count_slowly(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            await asyncio.sleep(0)
            yield number

    @endpoint
    async def blobs(self, sizes: list[int]) -> AsyncIterator[bytes]:
        for size in sizes:
            yield bytes(size)

    @endpoint
    async def endless(self) -> AsyncIterator[int]:
        try:
            while True:
                self.produced += 1
                yield self.produced
        finally:
            self.closed.set()

    @endpoint
    async def one_then_hold(self) -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
            await self.released.wait()
            yield 3
        finally:
            self.closed.set()

    @endpoint(idempotent=True)
    async def hold_then_one(self) -> AsyncIterator[int]:
        self.began.set()
        await self.released.wait()
        yield 1

    @endpoint
    async def break_off(self) -> AsyncIterator[int]:
        yield 1
        yield 2
        raise LookupError("no third")

    @endpoint
    async def odd_items(self) -> AsyncIterator[Any]:
        yield 1
        yield 2
        yield object()
        yield 4


class SlotSocket:
    """A slot's socket as a supervisor holds it: workers get copies, and one after the other may serve it."""

    def __init__(self, path: Path, backlog: int = 64) -> None:
        self.path = str(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(backlog)

    def copy(self) -> socket.socket:
        return self.listener.dup()

    def member(self, slot: int = 0, generation: int = 0) -> Member:
        return Member(slot=slot, path=self.path, generation=generation)

    def close(self) -> None:
        self.listener.close()


@attrs.frozen(kw_only=True)
class Worker:
    """A worker in this process."""

    host: Host
    server: ServiceServer

    @property
    def backend(self) -> Any:
        return self.host.instance


@contextlib.asynccontextmanager
async def working(
    slot_socket: SlotSocket,
    *,
    slot: int = 0,
    run_id: str = RUN_ID,
    cls: type = Backend,
    limits: TransportLimits = QUICK,
    **config: Any,
) -> AsyncIterator[Worker]:
    """Serve *cls* on a copy of *slot_socket*."""
    definition = define_service(cls)
    host = Host(definition, slot=slot, config=ServiceConfig(**config), clients={}, run_id=run_id)
    await host.start()
    server = ServiceServer(host, run_id=run_id, limits=limits)
    await server.start(slot_socket.copy())
    try:
        yield Worker(host=host, server=server)
    finally:
        await server.aclose()
        await host.stop()


def client_of(channel: SlotChannel, cls: type = Backend) -> Any:
    return make_client(cls, define_service(cls), channel, asyncio.get_running_loop())


@contextlib.asynccontextmanager
async def calling(
    members: Sequence[Member],
    *,
    run_id: str = RUN_ID,
    service_name: str = NAME,
    limits: TransportLimits = QUICK,
) -> AsyncIterator[tuple[Any, SlotChannel]]:
    """A client of ``Backend`` and its channel."""
    channel = SlotChannel(service_name, run_id=run_id, limits=limits)
    channel.set_members(members)
    try:
        yield client_of(channel), channel
    finally:
        await channel.aclose()


@contextlib.asynccontextmanager
async def served(
    folder: Path, *, limits: TransportLimits = QUICK, server_limits: TransportLimits = QUICK, **config: Any
) -> AsyncIterator[tuple[Any, Worker]]:
    """One worker and a client of it."""
    slot_socket = SlotSocket(folder / "0")
    try:
        async with (
            working(slot_socket, limits=server_limits, **config) as worker,
            calling([slot_socket.member()], limits=limits) as (client, _),
        ):
            yield client, worker
    finally:
        slot_socket.close()


async def eventually(check: Callable[[], object], *, timeout_s: float = 20.0) -> None:
    """Wait until *check* holds; fail loudly when it does not."""
    async with asyncio.timeout(timeout_s):
        while not check():
            await asyncio.sleep(0.002)


def endpoint_named(name: str) -> Any:
    """Definition of one of ``Backend``'s endpoints."""
    return define_service(Backend).endpoints[name]
