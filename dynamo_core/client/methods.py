"""The methods of a client class, and every other way of calling an endpoint.

For each endpoint there are two functions, one for event loops and one for threads without; the class gets the one
that its kind calls for, and the views of :mod:`dynamo_core.client.views` bind the other one to a client.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import TYPE_CHECKING, Any, Final

from dynamo_core.client.bridge import Bridge
from dynamo_core.client.link import LINK, ClientLink
from dynamo_core.errors import BlockingCallError, CallTimeoutError
from dynamo_core.host.context import CURRENT_CALL
from dynamo_core.values import EndpointCodec

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator

    from dynamo_core.channel import Buffer, CallOptions
    from dynamo_core.definition import EndpointDefinition, ServiceDefinition
    from dynamo_core.parts import Parts

ENDPOINT: Final = "__dynamo_client_endpoint__"
"""Attribute of a client's methods that holds their :class:`ClientEndpoint`."""

NEARLY_S: Final = 0.1
"""A nested call whose time ran out when its caller had less than that left ran out of its caller's time."""

# What is sent has no type here: it is in parts for channels that carry those only.
_running_loop: Final = asyncio._get_running_loop


class ClientEndpoint:
    """One endpoint as a caller has it.

    Args:
        definition: The service.
        endpoint: The endpoint.
        inner: The user's class, whose method lends its name, text and signature.

    Attributes:
        service: Name of the service.
        endpoint: The endpoint.
        codec: Its codec.
        timeout_s: Seconds a call may take when its caller sets no limit.
        address: Names of the service and of the endpoint.
        for_loops: The function that event loops call: a coroutine function, or an async generator function.
        for_threads: The function that blocks.
    """

    def __init__(self, definition: ServiceDefinition, endpoint: EndpointDefinition, inner: type) -> None:
        self.service = definition.name
        self.endpoint = endpoint
        self.codec = EndpointCodec(definition.name, endpoint)
        own = endpoint.timeout_s
        self.timeout_s = definition.config.traffic.timeout_s if own is None else own
        self.address = (definition.name, endpoint.name)
        is_stream = endpoint.kind.is_stream
        self.for_loops = self._name(_make_stream(self) if is_stream else _make_call(self), inner)
        self.for_threads = self._name(_make_iterate(self) if is_stream else _make_block(self), inner)

    @property
    def method(self) -> Callable[..., Any]:
        """The function that belongs to its kind."""
        return self.for_threads if self.endpoint.kind.is_sync else self.for_loops

    def refuse_on_loop(self) -> None:
        """Make sure that this thread runs no event loop.

        Raises:
            BlockingCallError: It does.
        """
        if _running_loop() is not None:
            view = "to_async_stream" if self.endpoint.kind.is_stream else "to_async"
            raise BlockingCallError(self.service, self.endpoint.attribute, view=view)

    def _name(self, function: Callable[..., Any], inner: type) -> Callable[..., Any]:
        attribute = self.endpoint.attribute
        declared = inspect.getattr_static(inner, attribute, None)
        if inspect.isfunction(declared):
            functools.update_wrapper(function, declared, updated=())
        else:
            function.__name__ = attribute
            function.__doc__ = self.endpoint.doc or None
        function.__qualname__ = f"{inner.__name__}Client.{attribute}"
        setattr(function, ENDPOINT, self)
        return function


def _make_call(called: ClientEndpoint) -> Callable[..., Coroutine[Any, Any, Any]]:
    codec, timeout_s, endpoint = called.codec, called.timeout_s, called.endpoint
    encode = codec.encode_split_arguments

    async def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        link: ClientLink = getattr(self, LINK)
        payload: Any = encode(args, kwargs, is_split=link.carries_parts)
        options = link.options(timeout_s)
        if not link.home.is_current():
            going = _carry(called, link, payload, options)
            return codec.decode_result(await Bridge(link.loop, called.service).follow(going))
        if options.timeout_s is None:
            return codec.decode_result(await link.channel.call(endpoint, payload, options))
        return codec.decode_result(await _carry(called, link, payload, options))

    return call


def _make_stream(called: ClientEndpoint) -> Callable[..., AsyncGenerator[Any, None]]:
    timeout_s, endpoint = called.timeout_s, called.endpoint
    decode = called.codec.decode_items

    async def stream(self: Any, /, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        link: ClientLink = getattr(self, LINK)
        payload: Any = called.codec.encode_split_arguments(args, kwargs, is_split=link.carries_parts)
        options = link.options(timeout_s)
        open_source = functools.partial(link.channel.stream, endpoint, payload, options)
        if link.home.is_current():
            batches = open_source()
        else:
            batches = Bridge(link.loop, called.service).follow_stream(open_source)
        try:
            async for batch in batches:
                for item in decode(batch):
                    yield item
        except CallTimeoutError as exc:
            _note_slow(exc)
            raise
        finally:
            await batches.aclose()

    return stream


def _make_block(called: ClientEndpoint) -> Callable[..., Any]:
    codec, timeout_s = called.codec, called.timeout_s
    encode = codec.encode_split_arguments

    def block(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        called.refuse_on_loop()
        link: ClientLink = getattr(self, LINK)
        payload: Any = encode(args, kwargs, is_split=link.carries_parts)
        going = _carry(called, link, payload, link.options(timeout_s))
        return codec.decode_result(Bridge(link.loop, called.service).wait(going))

    return block


def _make_iterate(called: ClientEndpoint) -> Callable[..., Iterator[Any]]:
    codec, timeout_s, endpoint = called.codec, called.timeout_s, called.endpoint

    def iterate(self: Any, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
        called.refuse_on_loop()
        link: ClientLink = getattr(self, LINK)
        return steps(link, codec.encode_split_arguments(args, kwargs, is_split=link.carries_parts))

    def steps(link: ClientLink, payload: Any) -> Generator[Any, None, None]:
        options = link.options(timeout_s)
        open_source = functools.partial(link.channel.stream, endpoint, payload, options)
        batches = Bridge(link.loop, called.service).iterate(open_source)
        try:
            while True:
                called.refuse_on_loop()  # it may have been handed to one meanwhile
                batch = next(batches, None)
                if batch is None:
                    return
                yield from codec.decode_items(batch)
        except CallTimeoutError as exc:
            _note_slow(exc)
            raise
        finally:
            batches.close()

    return iterate


async def _carry(
    called: ClientEndpoint, link: ClientLink, payload: Any, options: CallOptions
) -> Buffer | Parts:
    """Make one call on the client's loop; the call that makes it knows meanwhile whom it waits for."""
    within = CURRENT_CALL.get()
    if within is None or within.deadline is None:
        return await link.channel.call(called.endpoint, payload, options)
    waiting_for = within.waiting_for = within.waiting_for or []
    waiting_for.append(called.address)
    try:
        return await link.channel.call(called.endpoint, payload, options)
    except CallTimeoutError as exc:
        _note_slow(exc)
        raise
    finally:
        waiting_for.remove(called.address)


def _note_slow(exc: CallTimeoutError) -> None:
    """Let the running call know who was slow, should its own time run out before it has passed the error on."""
    within = CURRENT_CALL.get()
    left_s = None if within is None else within.remaining_s()
    if within is not None and left_s is not None and left_s < NEARLY_S:
        within.slow = (exc.service, exc.endpoint)
