"""One call of a stream endpoint, from its admission until its source is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dynamo_core.errors import CallCancelledError
from dynamo_core.host.context import CURRENT_CALL
from dynamo_core.host.endings import error_for_caller
from dynamo_core.host.failures import log_failure
from dynamo_core.host.thread_stream import ThreadStream

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Callable, Generator

    from dynamo_core.host.admission import Lane
    from dynamo_core.host.context import CallContext
    from dynamo_core.host.workplace import Workplace

_CLOSE_WAIT_S: Final = 1.0
"""For a generator in a thread that is in the middle of a step when its consumer closes it."""


class OpenStream:
    """The source of one stream, and what has to be known about it between two steps.

    Whoever makes one awaits :meth:`close`.

    Args:
        workplace: What the host's endpoints share.
        context: The call.
        limit_s: Seconds of the endpoint's own limit, for messages; None when its caller set one.

    Attributes:
        task: The task that takes a step now; None between two steps.
        is_interrupted: Whether its deadline has passed, or the host has ended it.
    """

    def __init__(self, workplace: Workplace, context: CallContext, limit_s: float | None) -> None:
        self._workplace = workplace
        self._context = context
        self._lane: Lane | None = None
        self._generator: AsyncGenerator[Any, None] | None = None
        self._thread: ThreadStream | None = None
        self._has_ended = False
        self._is_closed = False
        self._deadline = None if context.deadline is None else workplace.clock.watch(context, self, limit_s)
        self.task: asyncio.Task[Any] | None = None
        self.is_interrupted = False
        workplace.calls.calls[context] = self

    def open_generator(
        self, lane: Lane | None, generator: AsyncGenerator[Any, None]
    ) -> AsyncGenerator[Any, None]:
        """Take over an async generator, and the place of *lane* that was taken for it."""
        self._lane = lane
        self._generator = generator
        return generator

    def open_thread(self, lane: Lane, make: Callable[[], Generator[Any, Any, Any]]) -> ThreadStream:
        """Take over the place of *lane*; *make* calls a generator endpoint, in a thread."""
        self._lane = lane
        self._thread = ThreadStream(make, self._context, self._workplace.threads, self._thread_returned)
        return self._thread

    def explain(self, exc: BaseException) -> BaseException | None:
        """What to raise for *exc*, which left a step; None when the stream has simply ended."""
        self._has_ended = True
        if isinstance(exc, StopAsyncIteration) and not self.is_interrupted:
            return None
        return error_for_caller(exc, self._context, self.task, self._workplace.calls, self._deadline)

    def interruption(self) -> Exception:
        """What to raise instead of a step, once it :attr:`is_interrupted`."""
        if self._deadline is not None and self._deadline.has_fired:
            return self._deadline.error()
        context = self._context
        return CallCancelledError(context.service, context.endpoint, slot=context.slot)

    def cancel(self) -> None:
        """End the stream: in the middle of a step, or by closing its source when it is between two."""
        self.is_interrupted = True
        if self.task is not None:
            self.task.cancel()
        else:
            self._workplace.calls.close_later(self.close())

    async def close(self) -> None:
        """Close the source and give back the place; safe to call twice."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._deadline is not None:
            self._deadline.stop()
        try:
            await self._close_source()
        finally:
            self._give_back()
            self._workplace.calls.leave(self._context)

    async def _close_source(self) -> None:
        patience_s = 0.0 if self._context.is_cancelled else _CLOSE_WAIT_S
        if not self._has_ended:
            self._context.cancel()
        if self._thread is not None:
            await self._thread.close(patience_s)
        elif self._generator is not None:
            token = CURRENT_CALL.set(self._context)
            try:
                await self._generator.aclose()
            except Exception as exc:  # noqa: BLE001  # the user's finally; nobody waits for it
                log_failure(exc, self._context, "raised while its generator was being closed")
            finally:
                CURRENT_CALL.reset(token)

    def _give_back(self) -> None:
        if self._thread is None:
            self._leave_lane()
        elif self._thread.is_left:
            self._workplace.calls.thread_left()

    def _thread_returned(self) -> None:
        self._leave_lane()
        if self._thread is not None and self._thread.is_left:
            self._workplace.calls.thread_returned()

    def _leave_lane(self) -> None:
        if self._lane is not None:
            self._workplace.admission.leave(self._lane)
            self._lane = None
