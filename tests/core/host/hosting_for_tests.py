"""Hosts of small services, and calls to them without anything that carries them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import attrs

from dynamo_core.config import ServiceConfig
from dynamo_core.host import CallContext, Host
from dynamo_core.inspection import define_service

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping


def make_host(
    cls: type, *, clients: Mapping[str, object] | None = None, slot: int = 3, **config: Any
) -> Host:
    """Make a host of *cls* that has not been started; *config* are fields of ``ServiceConfig``."""
    definition = define_service(cls)
    merged = attrs.evolve(ServiceConfig(**config)) if config else definition.config
    return Host(definition, slot=slot, config=merged, clients=clients or {}, run_id="run-1", graph="tests")


@contextlib.asynccontextmanager
async def hosting(cls: type, **options: Any) -> AsyncIterator[Host]:
    """Start a host of *cls*, and stop it."""
    host = make_host(cls, **options)
    await host.start()
    try:
        yield host
    finally:
        await host.stop()


def context_of(host: Host, endpoint: str, *, timeout_s: float | None = None, **metadata: str) -> CallContext:
    """The context of a new call."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    return CallContext(
        service=host.name, endpoint=endpoint, slot=host.slot, deadline=deadline, metadata=metadata
    )


async def call(host: Host, endpoint: str, *, timeout_s: float | None = None, **arguments: Any) -> Any:
    """Call an endpoint in the current task."""
    return await host.endpoint(endpoint).call(arguments, context_of(host, endpoint, timeout_s=timeout_s))


def stream(
    host: Host, endpoint: str, *, timeout_s: float | None = None, **arguments: Any
) -> AsyncGenerator[Any, None]:
    """Stream an endpoint in the current task."""
    return host.endpoint(endpoint).stream(arguments, context_of(host, endpoint, timeout_s=timeout_s))


async def eventually(check: Callable[[], object], *, timeout_s: float = 10.0) -> None:
    """Wait until *check* holds; fail loudly when it does not."""
    async with asyncio.timeout(timeout_s):
        while not check():
            await asyncio.sleep(0.001)
