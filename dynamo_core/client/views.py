"""Other ways of calling an endpoint, as functions: a client has no names of its own that could do it."""

from __future__ import annotations

import math
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterator,
    Mapping,
)
from types import MappingProxyType, MethodType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast, get_args, overload

import attrs

from dynamo_core.channel import Routing
from dynamo_core.client import fakes
from dynamo_core.client.factory import DEFINITION
from dynamo_core.client.link import link_of
from dynamo_core.client.methods import ENDPOINT, ClientEndpoint
from dynamo_core.errors import EndpointNotFoundError

if TYPE_CHECKING:
    from dynamo_core.definition import ServiceDefinition

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")

_ROUTINGS: Final[tuple[str, ...]] = get_args(get_args(Routing)[0])


def with_options(
    client: T,
    *,
    timeout_s: float | None = None,
    routing: Routing | None = None,
    metadata: Mapping[str, str] | None = None,
) -> T:
    """The same client with other options for its calls.

    What is given takes the place of what an outer ``with_options`` gave, metadata name by name; what is not
    given stays. Anything that is no client, such as a fake in a test, comes back as it is.

    Args:
        client: A client; it is not changed.
        timeout_s: Seconds a call may take, instead of the endpoint's own limit, above 0. A call made while
            another one is answered never gets more than what is left of that one.
        routing: ``round_robin``, ``random`` or ``least_loaded``; or the slot of the worker to call.
        metadata: Texts that the endpoint finds in ``current_call().metadata``.

    Raises:
        ValueError: An option is out of range.
        TypeError: *metadata* are no texts.
    """
    if timeout_s is not None:
        _check_timeout(timeout_s)
    if routing is not None:
        _check_routing(routing)
    if metadata is not None:
        _check_metadata(metadata)
    link = link_of(client)
    if link is None:
        return client
    changed = attrs.evolve(
        link,
        timeout_s=link.timeout_s if timeout_s is None else float(timeout_s),
        routing=link.routing if routing is None else routing,
        metadata=MappingProxyType({**link.metadata, **metadata}) if metadata else link.metadata,
    )
    return type(client)(changed)  # type: ignore[call-arg]  # every client class takes a link


@overload
def to_async(endpoint: Callable[P, Coroutine[Any, Any, R]], /) -> Callable[P, Coroutine[Any, Any, R]]: ...
@overload
def to_async(endpoint: Callable[P, R], /) -> Callable[P, Coroutine[Any, Any, R]]: ...
def to_async(endpoint: Callable[..., Any], /) -> Callable[..., Any]:
    """The awaitable form of an endpoint.

    As in ``await to_async(self.backend.embed)("text")``.
    A ``def`` method of something that is no client runs in a thread.

    Args:
        endpoint: A method of a client whose calls give one result.

    Raises:
        TypeError: It is a stream.
    """
    called = _called(endpoint)
    if called is None:
        return fakes.to_async(endpoint)
    _want(called, is_stream=False, view="to_async", other="to_async_stream")
    return MethodType(called.for_loops, _client_of(endpoint))


@overload
def to_async_stream(endpoint: Callable[P, AsyncIterator[R]], /) -> Callable[P, AsyncGenerator[R, None]]: ...
@overload
def to_async_stream(endpoint: Callable[P, Iterator[R]], /) -> Callable[P, AsyncGenerator[R, None]]: ...
def to_async_stream(endpoint: Callable[..., Any], /) -> Callable[..., Any]:
    """The asynchronous form of a stream.

    As in ``async for item in to_async_stream(self.backend.tokens)("text")``.
    What it gives has ``aclose``; leaving the loop early closes it (``contextlib.aclosing`` does so at once).

    Args:
        endpoint: A method of a client whose calls give a stream.

    Raises:
        TypeError: It is no stream.
    """
    called = _called(endpoint)
    if called is None:
        return fakes.to_async_stream(endpoint)
    _want(called, is_stream=True, view="to_async_stream", other="to_async")
    return MethodType(called.for_loops, _client_of(endpoint))


@overload
def to_sync(endpoint: Callable[P, Coroutine[Any, Any, R]], /) -> Callable[P, R]: ...
@overload
def to_sync(endpoint: Callable[P, R], /) -> Callable[P, R]: ...
def to_sync(endpoint: Callable[..., Any], /) -> Callable[..., Any]:
    """The blocking form of an endpoint, for a thread without an event loop.

    Args:
        endpoint: A method of a client whose calls give one result.

    Raises:
        TypeError: It is a stream.
        BlockingCallError: By the call: the thread runs an event loop.
    """
    called = _called(endpoint)
    if called is None:
        return fakes.to_sync(endpoint)
    _want(called, is_stream=False, view="to_sync", other="to_sync_stream")
    return MethodType(called.for_threads, _client_of(endpoint))


@overload
def to_sync_stream(endpoint: Callable[P, AsyncIterator[R]], /) -> Callable[P, Generator[R, None, None]]: ...
@overload
def to_sync_stream(endpoint: Callable[P, Iterator[R]], /) -> Callable[P, Generator[R, None, None]]: ...
def to_sync_stream(endpoint: Callable[..., Any], /) -> Callable[..., Any]:
    """The blocking form of a stream, for a thread without an event loop: a plain iterator with ``close``.

    Args:
        endpoint: A method of a client whose calls give a stream.

    Raises:
        TypeError: It is no stream.
        BlockingCallError: By the call: the thread runs an event loop.
    """
    called = _called(endpoint)
    if called is None:
        return fakes.to_sync_stream(endpoint)
    _want(called, is_stream=True, view="to_sync_stream", other="to_sync")
    return MethodType(called.for_threads, _client_of(endpoint))


def endpoint_of(client: object, name: str) -> Callable[..., Any]:
    """The endpoint of that name on the wire, as a method of *client*.

    Args:
        client: A client; or an instance of the service's class, or a fake, where *name* is the method's.
        name: Name of the endpoint.

    Raises:
        EndpointNotFoundError: The service has none of that name.
    """
    definition: ServiceDefinition | None = getattr(type(client), DEFINITION, None)
    if definition is None:
        return fakes.endpoint_of(client, name)
    endpoint = definition.endpoints.get(name)
    if endpoint is None:
        raise EndpointNotFoundError(definition.name, name, known=list(definition.endpoints))
    return cast("Callable[..., Any]", getattr(client, endpoint.attribute))


def _called(endpoint: Callable[..., Any]) -> ClientEndpoint | None:
    """The endpoint behind a client's method; None for any other callable."""
    if not callable(endpoint):
        raise TypeError(f"wanted an endpoint of a client, such as client.generate, got {endpoint!r}")
    called = getattr(endpoint, ENDPOINT, None)
    return called if isinstance(called, ClientEndpoint) and isinstance(endpoint, MethodType) else None


def _client_of(endpoint: Callable[..., Any]) -> object:
    return cast("MethodType", endpoint).__self__


def _want(called: ClientEndpoint, *, is_stream: bool, view: str, other: str) -> None:
    if called.endpoint.kind.is_stream is not is_stream:
        what = "is no stream" if is_stream else "is a stream"
        raise TypeError(
            f"{called.service}.{called.endpoint.attribute} {what}: use {other}() instead of {view}()"
        )


def _check_timeout(timeout_s: object) -> None:
    is_number = isinstance(timeout_s, int | float) and not isinstance(timeout_s, bool)
    if not is_number or not 0 < cast("float", timeout_s) < math.inf:
        raise ValueError(f"timeout_s must be a number of seconds above 0, got {timeout_s!r}")


def _check_routing(routing: object) -> None:
    if isinstance(routing, str) and routing in _ROUTINGS:
        return
    if isinstance(routing, int) and not isinstance(routing, bool) and routing >= 0:
        return
    raise ValueError(
        f"routing must be one of {', '.join(_ROUTINGS)} or the slot of a worker, got {routing!r}"
    )


def _check_metadata(metadata: object) -> None:
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata must map texts to texts, got {type(metadata).__name__}")
    for name, value in metadata.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"metadata must map texts to texts, got {name!r}: {value!r}")
