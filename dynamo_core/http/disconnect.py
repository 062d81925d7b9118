"""Noticing that a client has gone while its call runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dynamo_core.http.asgi import Exchange

_PATIENCE_S: Final = 0.02
"""Calls that are quicker never pay for a task; a disconnect is noticed that much later."""


class DisconnectWatch:
    """Cancels the current task once its client has disconnected.

    The server tells where it can; else ``receive`` does, after a while.
    ``async with`` does not fit: the cancellation must be told from one that comes from outside, after the fact.
    Whoever makes one calls :meth:`stop`.

    Args:
        exchange: The request, whose body has been read.

    Attributes:
        has_fired: Whether the task was cancelled for that reason.
    """

    __slots__ = ("_connection", "_receive", "_task", "_timer", "_watcher", "has_fired")

    def __init__(self, exchange: Exchange) -> None:
        self.has_fired = False
        self._receive = exchange.receive
        self._task = asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._connection = exchange.connection
        if self._connection is None or not self._connection.watch(exchange.send, self._fire):
            self._connection = None
            self._timer = asyncio.get_running_loop().call_later(_PATIENCE_S, self._begin)

    def stop(self) -> None:
        """Stop watching; calling it again is harmless."""
        if self._connection is not None:
            self._connection.unwatch()
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def absorb(self) -> bool:
        """Take back the cancellation if it came from here; says whether it did."""
        if self.has_fired and self._task is not None:
            self._task.uncancel()
        return self.has_fired

    def _begin(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._watch(), name="http-disconnect")

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._fire()

    def _fire(self) -> None:
        if self._task is not None:
            self.has_fired = True
            self._task.cancel()
