"""One call of a stream endpoint, from its admission until its source is closed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from dynamo_core.errors import CallCancelledError
from dynamo_core.host.context import CURRENT_CALL, CallContext
from dynamo_core.host.deadline import DeadlineTimer
from dynamo_core.host.endings import error_for_caller
from dynamo_core.host.failures import log_failure
from dynamo_core.host.thread_stream import ThreadStream

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable

    from dynamo_core.host.admission import Lane
    from dynamo_core.host.workplace import Workplace


class OpenStream:
    """The source of one stream with what surrounds each of its steps.

    A consumer brackets a step with :meth:`begin_step` and :meth:`end_step`; in between the endpoint runs, in the
    consumer's task. Whoever makes one awaits :meth:`close`.

    Args:
        workplace: What the host's endpoints share.
        context: The call.
        timer_limit_s: Seconds of the endpoint's own limit, for messages; None when the caller set one.
    """

    def __init__(self, workplace: Workplace, context: CallContext, timer_limit_s: float | None) -> None:
        self._workplace = workplace
        self._context = context
        self.source: Any = None
        self._task: asyncio.Task[Any] | None = None
        self._token: contextvars.Token[CallContext | None] | None = None
        self._lane: Lane | None = None
        self._is_interrupted = False
        self._is_closed = False
        self._timer = None if context.deadline is None else DeadlineTimer(context, self, timer_limit_s)
        workplace.calls.calls[context] = self

    def open_source(self, lane: Lane | None, make: Callable[[], Any], *, is_sync: bool) -> None:
        """Make the source; a place of *lane* has been taken for it."""
        self._lane = lane
        if is_sync:
            threads = self._workplace.threads
            self.source = ThreadStream(make, self._context, threads, self._thread_returned)
        else:
            self.source = make()

    def begin_step(self) -> None:
        """Let the endpoint run in the current task, from here until :meth:`end_step`.

        Raises:
            CallTimeoutError: The deadline has passed.
            CallCancelledError: The host stops.
        """
        if self._is_interrupted:
            raise self._interruption()
        self._task = asyncio.current_task()
        self._token = CURRENT_CALL.set(self._context)

    def end_step(self) -> None:
        """The endpoint has been left."""
        if self._task is not None and self._token is not None:
            self._task = None
            with contextlib.suppress(ValueError):  # it may be thrown away in another task's context
                CURRENT_CALL.reset(self._token)

    def explain(self, exc: BaseException) -> BaseException | None:
        """What to raise for *exc*, which left a step; None when the stream has simply ended."""
        if self._is_interrupted or not isinstance(exc, StopAsyncIteration):
            return error_for_caller(exc, self._context, self._task, self._workplace.calls, self._timer)
        return None

    def cancel(self) -> None:
        """End the stream: in the middle of a step, or by closing its source when it is between two."""
        self._is_interrupted = True
        if self._task is not None:
            self._task.cancel()
        else:
            self._workplace.calls.close_later(self.close())

    async def close(self) -> None:
        """Close the source and give back the place; safe to call twice."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._timer is not None:
            self._timer.stop()
        token = CURRENT_CALL.set(self._context)
        try:
            if self.source is not None:
                await self.source.aclose()
        except Exception as exc:  # noqa: BLE001  # the user's finally; nobody waits for it
            log_failure(exc, self._context, "raised while it was being closed")
        finally:
            CURRENT_CALL.reset(token)
            self._give_back()
            self._workplace.calls.leave(self._context)

    def _give_back(self) -> None:
        if isinstance(self.source, ThreadStream):
            if self.source.is_left:
                self._workplace.calls.thread_left()
        elif self._lane is not None:
            self._workplace.admission.leave(self._lane)
            self._lane = None

    def _thread_returned(self, was_left: bool) -> None:
        if self._lane is not None:
            self._workplace.admission.leave(self._lane)
            self._lane = None
        if was_left:
            self._workplace.calls.thread_returned()

    def _interruption(self) -> Exception:
        if self._timer is not None and self._timer.has_fired:
            return self._timer.error()
        context = self._context
        return CallCancelledError(context.service, context.endpoint, slot=context.slot)
