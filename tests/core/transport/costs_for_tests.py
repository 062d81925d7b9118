"""What calls and streams cost, counted and not timed: frames, writes, and callbacks of the event loop.

Both ends of a connection run in one process, over transports in memory.
A task costs a callback to start, and one for each time that it is woken.
To store what is counted now: ``python tests/core/transport/costs_for_tests.py``
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from dynamo_core import endpoint, service
from dynamo_core.channel import CallOptions
from dynamo_core.config import ServiceConfig
from dynamo_core.host import Host
from dynamo_core.inspection import define_service
from dynamo_core.transport import ServiceServer, SlotChannel, TransportLimits, stream_sender
from dynamo_core.transport.begun import BegunMarks, BegunPage
from dynamo_core.transport.client_connection import ClientConnection
from dynamo_core.transport.frames import FrameDecoder
from dynamo_core.transport.messages import Hello, Welcome
from dynamo_core.transport.server_connection import ServerConnection
from dynamo_core.values import EndpointCodec

STORED = Path(__file__).with_name("costs.json")
LIMITS = TransportLimits()


@service(name="Backend")
class Backend:
    @endpoint
    async def echo(self, value: int) -> int:
        return value

    @endpoint
    async def long(self, data: bytes) -> bytes:
        return data

    @endpoint
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    @endpoint
    async def count_slowly(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            await asyncio.sleep(0)
            yield number


class MemoryTransport:
    """Hands what is written to the other end in the next turn of the loop."""

    def __init__(self, costs: Costs, loop: CountingLoop, own: Any, peer: Any) -> None:
        self._own = own
        self._peer = peer
        self._is_closing = False
        self._costs = costs
        self._loop = loop
        self._decoder = FrameDecoder(LIMITS.max_frame_bytes)
        self._pending = b""

    def write(self, data: bytes) -> None:
        self._costs.writes += 1
        self._costs.frames += sum(1 for _ in self._decoder.feed(data))
        if not self._pending:
            self._loop.call_soon_uncounted(self._deliver)
        self._pending += bytes(data)

    def _deliver(self) -> None:
        data, self._pending = self._pending, b""
        while data:
            room = self._peer.get_buffer(-1)
            size = min(len(room), len(data))
            room[:size] = data[:size]
            data = data[size:]
            self._peer.buffer_updated(size)

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._own.connection_lost, None)

    abort = close

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int) -> None:
        pass


class Costs:
    """Counts of one piece of work, over both ends."""

    def __init__(self) -> None:
        self.frames = 0
        self.writes = 0
        self.callbacks = 0


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts the callbacks it is given."""

    costs = Costs()

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        self.costs.callbacks += 1
        return super().call_soon(callback, *args, context=context)

    def call_soon_uncounted(self, callback: Any) -> None:
        super().call_soon(callback)


@contextlib.contextmanager
def frozen_clock() -> Iterator[None]:
    """Time does not pass for streams, so that nothing depends on how busy the machine is."""
    before = stream_sender._monotonic, stream_sender.QUIET_S
    stream_sender._monotonic, stream_sender.QUIET_S = (lambda: 1.0), 3600.0  # type: ignore[misc]
    try:
        yield
    finally:
        stream_sender._monotonic, stream_sender.QUIET_S = before  # type: ignore[misc]


@contextlib.asynccontextmanager
async def connected(loop: CountingLoop, costs: Costs) -> AsyncIterator[SlotChannel]:
    host = Host(define_service(Backend), slot=0, config=ServiceConfig(), clients={}, run_id="run-1")
    await host.start()
    server = ServiceServer(host, run_id="run-1")
    page = BegunPage.create()
    assert page is not None
    hello = Hello(
        run_id="run-1",
        service="Backend",
        slot=0,
        max_frame_bytes=LIMITS.max_frame_bytes,
        stream_window_items=LIMITS.stream_window_items,
        stream_window_bytes=LIMITS.stream_window_bytes,
        takes_tails=True,
    )
    welcome = Welcome(
        run_id="run-1",
        service="Backend",
        slot=0,
        generation=0,
        pid=1,
        max_frame_bytes=LIMITS.max_frame_bytes,
        marks_page=True,
        takes_tails=True,
    )
    worker_end = ServerConnection(server, hello, BegunMarks.open(os.dup(page.fd)))
    caller_end = ClientConnection(loop, welcome, page, LIMITS)
    for end, other in ((worker_end, caller_end), (caller_end, worker_end)):
        end.connection_made(MemoryTransport(costs, loop, end, other))  # type: ignore[arg-type]
    channel = SlotChannel("Backend", run_id="run-1")
    channel._usable = [caller_end]
    yield channel
    caller_end.close()
    await server.aclose()
    await host.stop()


Work = Callable[[SlotChannel], Awaitable[None]]


def calls(count: int) -> Work:
    definition = define_service(Backend).endpoints["echo"]

    async def work(channel: SlotChannel) -> None:
        await asyncio.gather(
            *(channel.call(definition, b"\x81\xa5value\x01", CallOptions()) for _ in range(count))
        )

    return work


def calls_in_turn(count: int) -> Work:
    once = calls(1)

    async def work(channel: SlotChannel) -> None:
        for _ in range(count):
            await once(channel)

    return work


def long_call(size: int) -> Work:
    endpoint_ = define_service(Backend).endpoints["long"]
    codec = EndpointCodec("Backend", endpoint_)

    async def work(channel: SlotChannel) -> None:
        data = bytes(size)
        parts: Any = codec.encode_split_arguments((data,), {}, is_split=True)
        result = codec.decode_result(await channel.call(endpoint_, parts, CallOptions()))
        if result != data:
            raise RuntimeError("what came back is something else")

    return work


def stream(name: str, count: int) -> Work:
    definition = define_service(Backend).endpoints[name]

    async def work(channel: SlotChannel) -> None:
        arguments = b"\x81\xa2to\xcd" + count.to_bytes(2, "big")
        async for _ in channel.stream(definition, arguments, CallOptions()):
            pass

    return work


WORK: dict[str, Work] = {
    "one call": calls(1),
    "ten calls in turn": calls_in_turn(10),
    "64 calls at once": calls(64),
    "one call of 1 MiB each way": long_call(1 << 20),
    "stream of 1000 ready items": stream("count", 1000),
    "stream of 1000 items of a suspending source": stream("count_slowly", 1000),
}


async def _measure(work: Work) -> dict[str, int]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, CountingLoop)
    costs = loop.costs = Costs()
    async with connected(loop, costs) as channel:
        await calls(1)(channel)
        costs.frames = costs.writes = costs.callbacks = 0
        with frozen_clock():
            await work(channel)
        return {"frames": costs.frames, "writes": costs.writes, "callbacks": costs.callbacks}


def measure_all() -> dict[str, dict[str, int]]:
    found = {}
    for name, work in WORK.items():
        with asyncio.Runner(loop_factory=CountingLoop) as runner:
            found[name] = runner.run(_measure(work))
    return found


if __name__ == "__main__":
    STORED.write_text(json.dumps(measure_all(), indent=2) + "\n", "utf-8")
