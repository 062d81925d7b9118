"""Clients of hosts in the same process, over a channel that passes bytes and keeps what it was given."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
from typing import TYPE_CHECKING, Any

from dynamo_core.channel import Buffer, CallOptions, Channel
from dynamo_core.client import make_client
from dynamo_core.config import ServiceConfig
from dynamo_core.host import CallContext, Host, answer, answer_stream
from dynamo_core.inspection import define_service

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from dynamo_core.definition import EndpointDefinition


class HostChannel(Channel):
    """Hands calls to one host, each in a task of its own."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.options: list[CallOptions] = []
        self.threads: set[threading.Thread] = set()
        self.closed = 0

    @property
    def service(self) -> str:
        return self._host.name

    async def call(self, endpoint: EndpointDefinition, arguments: bytes, options: CallOptions) -> Buffer:
        hosted = self._host.endpoint(endpoint.name)
        work = answer(hosted, arguments, self._context(endpoint, options))
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        try:
            return await task
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise

    async def stream(
        self, endpoint: EndpointDefinition, arguments: bytes, options: CallOptions
    ) -> AsyncGenerator[Buffer, None]:
        hosted = self._host.endpoint(endpoint.name)
        items = answer_stream(hosted, arguments, self._context(endpoint, options))
        try:
            async for item in items:
                yield item
        finally:
            self.closed += 1
            await items.aclose()

    async def aclose(self) -> None:
        pass

    def _context(self, endpoint: EndpointDefinition, options: CallOptions) -> CallContext:
        self.options.append(options)
        self.threads.add(threading.current_thread())
        return CallContext(
            service=self._host.name,
            endpoint=endpoint.name,
            slot=self._host.slot,
            deadline=None if options.timeout_s is None else time.monotonic() + options.timeout_s,
            metadata=options.metadata,
        )


class Calling:
    """A client, its channel, and the host behind."""

    def __init__(self, client: Any, channel: HostChannel, host: Host) -> None:
        self.client = client
        self.channel = channel
        self.host = host


@contextlib.asynccontextmanager
async def calling(
    cls: type, *, clients: dict[str, object] | None = None, **config: Any
) -> AsyncIterator[Calling]:
    """Start a host of *cls* and make a client of it; *config* are fields of ``ServiceConfig``."""
    definition = define_service(cls)
    merged = ServiceConfig(**config) if config else definition.config
    host = Host(definition, slot=0, config=merged, clients=clients or {}, run_id="run-1")
    await host.start()
    channel = HostChannel(host)
    try:
        yield Calling(make_client(cls, definition, channel, asyncio.get_running_loop()), channel, host)
    finally:
        await host.stop()


async def in_thread(function: Callable[[], Any]) -> Any:
    """Run *function* in a thread without an event loop."""
    return await asyncio.to_thread(function)


async def on_other_loop(make: Callable[[], Awaitable[Any]]) -> Any:
    """Run a coroutine on the event loop of another thread."""

    async def main() -> Any:
        return await make()

    return await asyncio.to_thread(lambda: asyncio.run(main()))


async def eventually(check: Callable[[], object], *, timeout_s: float = 10.0) -> None:
    """Wait until *check* holds; fail loudly when it does not."""
    async with asyncio.timeout(timeout_s):
        while not check():
            await asyncio.sleep(0.001)
