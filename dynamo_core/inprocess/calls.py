"""Calls under way in one worker, each in a task of the worker's own.

A call shares nothing with its caller: it runs in a fresh context, gets bytes, and gives bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dynamo_core.error_data import error_from_data, error_to_data
from dynamo_core.errors import CallCancelledError, CallError, CallTimeoutError, ServiceUnavailableError
from dynamo_core.host import CallContext, answer, answer_stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine

    from dynamo_core.channel import CallOptions
    from dynamo_core.definition import EndpointDefinition
    from dynamo_core.host import Host

_ITEMS_AHEAD: Final = 1024
"""Items that an endpoint may be ahead of the reader of its stream: the default window of the transport."""
_BYTES_AHEAD: Final = 1024 * 1024
"""Bytes that it may be ahead; one item may always be."""

_END: Final = b""


class WorkerCalls:
    """Runs calls on one host, and ends those that are left when the worker stops.

    Args:
        host: Runs the endpoints.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    @property
    def slot(self) -> int:
        """The worker's slot."""
        return self._host.slot

    @property
    def count(self) -> int:
        """Calls under way."""
        return len(self._tasks)

    async def call(self, endpoint: EndpointDefinition, arguments: bytes, options: CallOptions) -> bytes:
        """Make one call; cancelling it cancels the endpoint."""
        context = self._context(endpoint, options)
        task = self._begin(self._answer(endpoint, arguments, context), endpoint)
        try:
            await asyncio.wait([task], timeout=_remaining_s(context))
        finally:
            task.cancel()  # does nothing to one that has ended
        if not task.done():
            raise CallTimeoutError(self._host.name, endpoint.name, timeout_s=options.timeout_s)
        self._raise_failure(task, endpoint)
        result: bytes = task.result()
        return result

    async def stream(
        self, endpoint: EndpointDefinition, arguments: bytes, options: CallOptions
    ) -> AsyncGenerator[bytes, None]:
        """Make one call whose result is a stream; closing it early cancels the endpoint."""
        context = self._context(endpoint, options)
        pipe = ItemPipe()
        task = self._begin(self._answer_items(endpoint, arguments, context, pipe), endpoint)
        task.add_done_callback(lambda _: pipe.end())
        try:
            while item := await self._next(pipe, endpoint, context, options):
                yield item
        finally:
            task.cancel()
        self._raise_failure(task, endpoint)

    async def _next(
        self, pipe: ItemPipe, endpoint: EndpointDefinition, context: CallContext, options: CallOptions
    ) -> bytes:
        try:
            async with asyncio.timeout(_remaining_s(context)):
                return await pipe.get()
        except TimeoutError:
            raise CallTimeoutError(self._host.name, endpoint.name, timeout_s=options.timeout_s) from None

    async def _answer(self, endpoint: EndpointDefinition, arguments: bytes, context: CallContext) -> bytes:
        return await answer(self._host.endpoint(endpoint.name), arguments, context)

    async def _answer_items(
        self, endpoint: EndpointDefinition, arguments: bytes, context: CallContext, pipe: ItemPipe
    ) -> None:
        arrays = answer_stream(self._host.endpoint(endpoint.name), arguments, context)
        async with contextlib.aclosing(arrays):
            async for array in arrays:
                await pipe.put(array)

    def _begin(self, work: Coroutine[Any, Any, Any], endpoint: EndpointDefinition) -> asyncio.Task[Any]:
        if self._is_closed:
            work.close()
            raise ServiceUnavailableError(self._host.name, f"its worker {self.slot} has stopped")
        task = asyncio.get_running_loop().create_task(
            work, name=f"{self._host.name}.{endpoint.name}", context=contextvars.Context()
        )
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may have left before it failed

    def _context(self, endpoint: EndpointDefinition, options: CallOptions) -> CallContext:
        timeout_s = options.timeout_s
        return CallContext(
            service=self._host.name,
            endpoint=endpoint.name,
            slot=self.slot,
            deadline=None if timeout_s is None else time.monotonic() + timeout_s,
            metadata=dict(options.metadata),
        )

    def _raise_failure(self, task: asyncio.Task[Any], endpoint: EndpointDefinition) -> None:
        """Raise what a finished call failed with, as the caller meets it: made anew from data."""
        if task.cancelled():
            raise CallCancelledError(self._host.name, endpoint.name, slot=self.slot)
        failure = task.exception()
        if failure is not None:
            raise self._as_the_caller_meets_it(failure)

    def _as_the_caller_meets_it(self, failure: BaseException) -> CallError:
        sent = msgspec.msgpack.encode(error_to_data(failure))
        return error_from_data(msgspec.msgpack.decode(sent), service=self._host.name)

    def cancel(self) -> None:
        """Cancel every call; their callers get a ``CallCancelledError``."""
        for task in self._tasks:
            task.cancel()

    async def aclose(self, timeout_s: float) -> None:
        """Cancel what is left, and wait at most *timeout_s* seconds for it to clean up; safe to call twice."""
        self._is_closed = True
        self.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout_s)


class ItemPipe:
    """Encoded items on their way from an endpoint to the reader of its stream.

    An endpoint that is too far ahead waits; see ``_ITEMS_AHEAD`` and ``_BYTES_AHEAD``.
    """

    def __init__(self) -> None:
        self._items: asyncio.Queue[bytes] = asyncio.Queue()
        self._size_bytes = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._has_ended = False

    async def put(self, item: bytes) -> None:
        """Wait for room, then hand over one encoded array of items."""
        await self._has_room.wait()
        self._size_bytes += len(item)
        self._items.put_nowait(item)
        if self._items.qsize() >= _ITEMS_AHEAD or self._size_bytes >= _BYTES_AHEAD:
            self._has_room.clear()

    def end(self) -> None:
        """No more items will come."""
        self._has_ended = True
        self._items.put_nowait(_END)

    async def get(self) -> bytes:
        """The next encoded array; an empty one after the last."""
        item = await self._items.get()
        self._size_bytes -= len(item)
        if self._items.qsize() < _ITEMS_AHEAD and self._size_bytes < _BYTES_AHEAD:
            self._has_room.set()
        return item


def _remaining_s(context: CallContext) -> float | None:
    return None if context.deadline is None else max(0.0, context.deadline - time.monotonic())
