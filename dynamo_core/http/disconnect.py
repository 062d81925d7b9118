"""Noticing that a client has gone while its call runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dynamo_core.http.asgi import Receive

_PATIENCE_S: Final = 0.02
"""Calls that are quicker never pay for a task; a disconnect is noticed that much later."""


class DisconnectWatch:
    """Cancels the current task once its client has disconnected.

    ``async with`` does not fit: the cancellation must be told from one that comes from outside, after the fact.
    Whoever makes one calls :meth:`stop`.

    Args:
        receive: The request's ASGI function, whose body has been read.

    Attributes:
        has_fired: Whether the task was cancelled for that reason.
    """

    __slots__ = ("_loop", "_receive", "_task", "_timer", "_watcher", "has_fired")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None
        self.has_fired = False
        self._timer = self._loop.call_later(_PATIENCE_S, self._begin)

    def stop(self) -> None:
        """Stop watching; calling it again is harmless."""
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def absorb(self) -> bool:
        """Take back the cancellation if it came from here; says whether it did."""
        if self.has_fired and self._task is not None:
            self._task.uncancel()
        return self.has_fired

    def _begin(self) -> None:
        self._watcher = self._loop.create_task(self._watch(), name="http-disconnect")

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._task is not None:
            self.has_fired = True
            self._task.cancel()
