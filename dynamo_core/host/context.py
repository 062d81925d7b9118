"""What an endpoint may know about the call it answers."""

from __future__ import annotations

import contextvars
import time
from typing import TYPE_CHECKING, Final

import msgspec

from dynamo_core.channel import NO_METADATA

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class CallContext(msgspec.Struct, kw_only=True, eq=False, weakref=True, repr_omit_defaults=True):
    """One call, as the endpoint that answers it sees it; made anew for every call.

    Attributes:
        service: Name of the service that answers.
        endpoint: Name of the endpoint on the wire.
        slot: Slot of the worker that answers.
        deadline: When the call must have ended, in seconds of :func:`time.monotonic`; None for no limit.
        metadata: Texts that the caller sent beside the arguments, trace context included.
        is_cancelled: True once nobody waits for the result any more: the caller cancelled, the deadline passed,
            the worker stops. May be read from any thread; a ``def`` endpoint, which nothing can interrupt, should
            look at it now and then.
        has_ended: True once it has been answered; tasks that it has started may outlive it.
        waiting_for: Services and endpoints that this call has called and that have not answered, oldest first;
            kept while there is a deadline, to tell who was slow.
        slow: Service and endpoint whose time ran out when that of this call was nearly out, too.
        on_begin: Called right before the endpoint runs, once it has its place; what it raises ends the call.
            None when nobody has to know.
    """

    service: str
    endpoint: str
    slot: int = 0
    deadline: float | None = None
    metadata: Mapping[str, str] = NO_METADATA
    is_cancelled: bool = False
    has_ended: bool = False
    waiting_for: list[tuple[str, str]] | None = None
    slow: tuple[str, str] | None = None
    on_begin: Callable[[], object] | None = None
    _when_cancelled: list[Callable[[], object]] | None = None

    def remaining_s(self) -> float | None:
        """Seconds until the deadline, 0.0 once it has passed; None without one."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def cancel(self) -> None:
        """Note that nobody waits for the result any more; for whoever runs the call. Safe to call twice."""
        self.is_cancelled = True
        callbacks, self._when_cancelled = self._when_cancelled, None
        for callback in callbacks or ():
            callback()

    def add_cancel_callback(self, callback: Callable[[], object]) -> None:
        """Have *callback* called once the call is cancelled; at once when it is already.

        Args:
            callback: Must be quick, may be called from any thread, and perhaps twice; what it raises is not caught.
        """
        if self._when_cancelled is None:
            self._when_cancelled = []
        self._when_cancelled.append(callback)
        if self.is_cancelled:  # it may have become so meanwhile, in another thread
            callback()

    def remove_cancel_callback(self, callback: Callable[[], object]) -> None:
        """Take back one callback; does nothing when it has been called."""
        callbacks = self._when_cancelled
        if callbacks is not None and callback in callbacks:
            callbacks.remove(callback)


CURRENT_CALL: Final[contextvars.ContextVar[CallContext | None]] = contextvars.ContextVar(
    "dynamo_current_call", default=None
)


def current_call() -> CallContext | None:
    """The call that the running endpoint answers; None outside of one.

    Set in tasks and threads that an endpoint starts as well, where those copy context variables as
    :func:`asyncio.create_task` and :func:`asyncio.to_thread` do.
    """
    return CURRENT_CALL.get()
