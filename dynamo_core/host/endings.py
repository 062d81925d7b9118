"""How a call ended: which error, if any, its caller gets for what came out of the endpoint."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from dynamo_core.errors import CallCancelledError, CallTimeoutError
from dynamo_core.host.failures import as_call_error, log_failure

if TYPE_CHECKING:
    from dynamo_core.host.context import CallContext
    from dynamo_core.host.deadline import Deadline
    from dynamo_core.host.running import RunningCalls


def error_for_caller(
    exc: BaseException,
    context: CallContext,
    task: asyncio.Task[Any] | None,
    calls: RunningCalls,
    deadline: Deadline | None = None,
) -> BaseException:
    """Work out what to raise instead of *exc*; *exc* itself where it should go on.

    Args:
        exc: What left the endpoint.
        context: The call.
        task: The task that ran it.
        calls: The host's; knows which calls the host itself cancelled.
        deadline: Its deadline; None without one.
    """
    if isinstance(exc, GeneratorExit) and not _is_running(task):
        context.cancel()
        return exc  # the coroutine is being thrown away: nobody is there to be told
    is_cancelled = isinstance(exc, asyncio.CancelledError)
    was_asked = False
    if deadline is not None and deadline.has_fired:
        was_asked = _take_back(task) and is_cancelled
        if not was_asked:
            return _timed_out(exc, context, deadline)
    if context in calls.stopped:
        was_asked = _take_back(task) and is_cancelled
        if not was_asked:
            return _stopped(exc, context)
    if not is_cancelled:
        return as_call_error(exc, context)
    if was_asked or (task is not None and task.cancelling()):
        context.cancel()
        return exc
    log_failure(exc, context, "cancelled itself, which nobody had asked for")
    return CallCancelledError(context.service, context.endpoint, slot=context.slot)


def _is_running(task: asyncio.Task[Any] | None) -> bool:
    try:
        return task is asyncio.current_task()
    except RuntimeError:  # no loop runs
        return False


def _take_back(task: asyncio.Task[Any] | None) -> bool:
    """Take back the host's own cancellation; says whether somebody else has cancelled the task too."""
    return task is not None and task.uncancel() > 0


def _timed_out(exc: BaseException, context: CallContext, deadline: Deadline) -> BaseException:
    if isinstance(exc, CallTimeoutError):
        return exc  # of a nested call: it names the service that is slow
    if not isinstance(exc, asyncio.CancelledError):
        log_failure(exc, context, "raised when it was cancelled at its deadline")
    return deadline.error()


def _stopped(exc: BaseException, context: CallContext) -> BaseException:
    if not isinstance(exc, asyncio.CancelledError | CallCancelledError):
        log_failure(exc, context, "raised when it was cancelled because its worker stops")
    return CallCancelledError(context.service, context.endpoint, slot=context.slot)
