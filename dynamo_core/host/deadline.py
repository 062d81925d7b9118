"""Ending a call at its deadline."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from dynamo_core.errors import CallTimeoutError

if TYPE_CHECKING:
    from dynamo_core.host.context import CallContext
    from dynamo_core.host.running import Interruptible


class DeadlineTimer:
    """Cancels a call once its deadline has passed; whoever makes one calls :meth:`stop`.

    :func:`asyncio.timeout` does not fit: a stream's consumer does other things between the steps, and an endpoint
    that swallows its cancellation must not look as if it had answered in time.

    Args:
        context: The call; it has a deadline.
        running: What to cancel.
        limit_s: Seconds, for the message, where the limit is the endpoint's own.

    Attributes:
        has_fired: Whether the deadline has passed.
    """

    __slots__ = ("_context", "_handle", "_limit_s", "_running", "_slow", "has_fired")

    def __init__(self, context: CallContext, running: Interruptible, limit_s: float | None) -> None:
        self._context = context
        self._running = running
        self._limit_s = limit_s
        self._slow: tuple[str, str] | None = None
        self.has_fired = False
        assert context.deadline is not None
        left_s = context.deadline - time.monotonic()
        self._handle = asyncio.get_running_loop().call_later(left_s, self._fire)

    def stop(self) -> None:
        """Do nothing any more."""
        self._handle.cancel()

    def error(self) -> CallTimeoutError:
        """What the caller meets: it names the service this one was waiting for, if it was."""
        if self._slow is not None:
            return CallTimeoutError(*self._slow)
        return CallTimeoutError(self._context.service, self._context.endpoint, timeout_s=self._limit_s)

    def _fire(self) -> None:
        self.has_fired = True
        if self._context.waiting_for:
            self._slow = self._context.waiting_for[0]
        self._context.cancel()
        self._running.cancel()
