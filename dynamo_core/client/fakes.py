"""Views of what is no client: a fake, or the service itself, that a unit test has put in a client's place."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Final, cast

from dynamo_core.errors import BlockingCallError, EndpointNotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

_END: Final = object()


def to_async(function: Callable[..., Any]) -> Callable[..., Any]:
    """As :func:`dynamo_core.client.to_async`; a ``def`` function runs in a thread."""

    async def call(*args: Any, **kwargs: Any) -> Any:
        if inspect.iscoroutinefunction(function):
            return await function(*args, **kwargs)
        result = await asyncio.to_thread(function, *args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    return call


def to_async_stream(function: Callable[..., Any]) -> Callable[..., Any]:
    """As :func:`dynamo_core.client.to_async_stream`; each step of a plain iterator runs in a thread."""

    async def stream(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        items = function(*args, **kwargs)
        if not hasattr(items, "__anext__"):
            items = _in_threads(iter(items))
        try:
            async for item in items:
                yield item
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

    return stream


def to_sync(function: Callable[..., Any]) -> Callable[..., Any]:
    """As :func:`dynamo_core.client.to_sync`; a coroutine gets an event loop for itself."""

    def call(*args: Any, **kwargs: Any) -> Any:
        _refuse_on_loop(function, "to_async")
        result = function(*args, **kwargs)
        return asyncio.run(_await(result)) if inspect.isawaitable(result) else result

    return call


def to_sync_stream(function: Callable[..., Any]) -> Callable[..., Any]:
    """As :func:`dynamo_core.client.to_sync_stream`; an async iterator gets an event loop for itself."""

    def iterate(*args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        _refuse_on_loop(function, "to_async_stream")
        return _iterate(function(*args, **kwargs))

    return iterate


def endpoint_of(fake: object, name: str) -> Callable[..., Any]:
    """The method of that name.

    Raises:
        EndpointNotFoundError: There is none.
    """
    method = getattr(fake, name, None)
    if not callable(method):
        known = [each for each in dir(fake) if not each.startswith("_") and callable(getattr(fake, each))]
        raise EndpointNotFoundError(type(fake).__name__, name, known=known)
    return cast("Callable[..., Any]", method)


async def _in_threads(iterator: Any) -> AsyncGenerator[Any, None]:
    try:
        while (item := await asyncio.to_thread(next, iterator, _END)) is not _END:
            yield item
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            await asyncio.to_thread(close)


def _iterate(items: Any) -> Generator[Any, None, None]:
    if not hasattr(items, "__anext__"):
        yield from items
        return
    with asyncio.Runner() as runner:
        while (item := runner.run(_step(items))) is not _END:
            yield item


async def _step(items: Any) -> Any:
    return await anext(items, _END)


async def _await(result: Any) -> Any:
    return await result


def _refuse_on_loop(function: Callable[..., Any], view: str) -> None:
    if asyncio._get_running_loop() is not None:
        owner = type(getattr(function, "__self__", None)).__name__
        raise BlockingCallError(owner, getattr(function, "__name__", repr(function)), view=view)
