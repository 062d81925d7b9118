"""The caller's end of one stream."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from dynamo_core.parts import Parts
    from dynamo_core.transport.client_connection import ClientConnection
    from dynamo_core.transport.frames import Buffer


class EndOfStream(Exception):  # noqa: N818  # it is no error
    """The stream has ended as it should."""


class ClientStream:
    """Keeps what came until it is taken, and lets the worker go on as it is taken.

    Args:
        connection: Where it comes from.
        number: Number of the call.
        takes_result: Whether the endpoint may be none that streams: its result then comes as the only item.

    Attributes:
        connection: Where it comes from.
        number: Number of the call.
        takes_result: As given.
    """

    __slots__ = (
        "_arrays",
        "_ending",
        "_half_bytes",
        "_half_items",
        "_taken_bytes",
        "_taken_items",
        "_waiter",
        "connection",
        "number",
        "takes_result",
    )

    def __init__(self, connection: ClientConnection, number: int, *, takes_result: bool = False) -> None:
        self.connection = connection
        self.takes_result = takes_result
        self.number = number
        self._arrays: deque[tuple[Buffer | Parts, int]] = deque()
        self._ending: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._taken_items = 0
        self._taken_bytes = 0
        limits = connection.limits
        self._half_items = (limits.stream_window_items + 1) // 2
        self._half_bytes = (limits.stream_window_bytes + 1) // 2

    def put(self, array: Buffer | Parts, count: int) -> None:
        """An array of *count* items has come."""
        self._arrays.append((array, count))
        self._wake()

    def end(self, ending: BaseException) -> None:
        """Nothing more will come: ``EndOfStream``, or why."""
        if self._ending is None:
            self._ending = ending
            self._wake()

    async def take(self) -> Buffer | Parts:
        """Wait for the next array.

        Raises:
            EndOfStream: There is none, all is well.
            Exception: What the stream ended with; everything that came before was taken.
        """
        while not self._arrays:
            if self._ending is not None:
                raise self._ending
            self._waiter = self.connection.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        array, count = self._arrays.popleft()
        if self._ending is None:
            self._taken_bytes += len(array)
            self._taken_items += count
            if self._taken_items >= self._half_items or self._taken_bytes >= self._half_bytes:
                self.connection.give_credit(self.number, self._taken_items, self._taken_bytes)
                self._taken_items = self._taken_bytes = 0
        return array

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
