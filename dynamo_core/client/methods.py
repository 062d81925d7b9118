"""The methods of a client class: one for each endpoint, called the way its kind is called everywhere."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import TYPE_CHECKING, Any, Final

from dynamo_core.client.bridge import Bridge
from dynamo_core.client.link import LINK, ClientLink
from dynamo_core.definition import EndpointKind
from dynamo_core.errors import BlockingCallError
from dynamo_core.values import EndpointCodec

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from dynamo_core.channel import CallOptions
    from dynamo_core.definition import EndpointDefinition, ServiceDefinition

ENDPOINT: Final = "__dynamo_client_endpoint__"
"""Attribute of a client's methods that holds their :class:`ClientEndpoint`."""


class ClientEndpoint:
    """One endpoint as a caller has it: every way of calling it.

    Args:
        definition: The service.
        endpoint: The endpoint.
    """

    def __init__(self, definition: ServiceDefinition, endpoint: EndpointDefinition) -> None:
        self.service = definition.name
        self.endpoint = endpoint
        self.codec = EndpointCodec(definition.name, endpoint)
        own = endpoint.timeout_s
        self.timeout_s = definition.config.traffic.timeout_s if own is None else own

    @property
    def kind(self) -> EndpointKind:
        """How the endpoint is written."""
        return self.endpoint.kind

    async def call(self, link: ClientLink, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call it from any event loop."""
        payload = self.codec.encode_arguments(args, kwargs)
        options = link.options(self.timeout_s)
        going = link.channel.call(self.endpoint, payload, options)
        if asyncio.get_running_loop() is link.loop:
            return self.codec.decode_result(await going)
        return self.codec.decode_result(await Bridge(link.loop, self.service).follow(going))

    async def stream(
        self, link: ClientLink, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """Stream it from any event loop."""
        payload = self.codec.encode_arguments(args, kwargs)
        options = link.options(self.timeout_s)
        open_source = functools.partial(link.channel.stream, self.endpoint, payload, options)
        if asyncio.get_running_loop() is link.loop:
            batches = open_source()
        else:
            batches = Bridge(link.loop, self.service).follow_stream(open_source)
        decode = self.codec.decode_items
        try:
            async for batch in batches:
                for item in decode(batch):
                    yield item
        finally:
            await batches.aclose()

    def block(self, link: ClientLink, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call it from a thread without an event loop.

        Raises:
            BlockingCallError: This thread runs one.
        """
        self._refuse_on_loop("to_async")
        payload = self.codec.encode_arguments(args, kwargs)
        options = link.options(self.timeout_s)
        bridge = Bridge(link.loop, self.service)
        return self.codec.decode_result(bridge.wait(self._carry(link, payload, options)))

    def iterate(self, link: ClientLink, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Any]:
        """Stream it from a thread without an event loop.

        Raises:
            BlockingCallError: This thread runs one.
        """
        self._refuse_on_loop("to_async_stream")
        payload = self.codec.encode_arguments(args, kwargs)
        return self._iterate(link, payload)

    def _iterate(self, link: ClientLink, payload: bytes) -> Iterator[Any]:
        options = link.options(self.timeout_s)
        open_source = functools.partial(link.channel.stream, self.endpoint, payload, options)
        batches = Bridge(link.loop, self.service).iterate(open_source)
        try:
            for batch in batches:
                yield from self.codec.decode_items(batch)
        finally:
            batches.close()

    async def _carry(self, link: ClientLink, payload: bytes, options: CallOptions) -> Any:
        return await link.channel.call(self.endpoint, payload, options)

    def _refuse_on_loop(self, view: str) -> None:
        if asyncio._get_running_loop() is not None:
            raise BlockingCallError(self.service, self.endpoint.attribute, view=view)


def make_method(called: ClientEndpoint, inner: type) -> Callable[..., Any]:
    """Make the method of a client class for one endpoint.

    Args:
        called: The endpoint.
        inner: The user's class, whose method lends its name, text and signature.
    """
    method = _MAKERS[called.kind](called)
    declared = inspect.getattr_static(inner, called.endpoint.attribute, None)
    if inspect.isfunction(declared):
        functools.update_wrapper(method, declared, updated=())
    else:
        method.__name__ = called.endpoint.attribute
        method.__doc__ = called.endpoint.doc or None
    method.__qualname__ = f"{inner.__name__}Client.{called.endpoint.attribute}"
    setattr(method, ENDPOINT, called)
    return method


def _unary(called: ClientEndpoint) -> Callable[..., Any]:
    codec, timeout_s, endpoint = called.codec, called.timeout_s, called.endpoint

    async def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        link: ClientLink = getattr(self, LINK)
        if asyncio._get_running_loop() is not link.loop:
            return await called.call(link, args, kwargs)
        payload = codec.encode_arguments(args, kwargs)
        return codec.decode_result(await link.channel.call(endpoint, payload, link.options(timeout_s)))

    return call


def _stream(called: ClientEndpoint) -> Callable[..., Any]:
    async def stream(self: Any, /, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        items = called.stream(getattr(self, LINK), args, kwargs)
        try:
            async for item in items:
                yield item
        finally:
            await items.aclose()

    return stream


def _sync(called: ClientEndpoint) -> Callable[..., Any]:
    def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return called.block(getattr(self, LINK), args, kwargs)

    return call


def _sync_stream(called: ClientEndpoint) -> Callable[..., Any]:
    def iterate(self: Any, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
        return called.iterate(getattr(self, LINK), args, kwargs)

    return iterate


_MAKERS: Final = {
    EndpointKind.UNARY: _unary,
    EndpointKind.STREAM: _stream,
    EndpointKind.SYNC: _sync,
    EndpointKind.SYNC_STREAM: _sync_stream,
}
