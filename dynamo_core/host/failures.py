"""What becomes of an exception that leaves an endpoint: an error its caller can use, and a line in the log.

``docs/reference/calls.md`` lists the rules; :func:`as_call_error` holds them.
"""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dynamo_core.error_data import message_of, shorten
from dynamo_core.errors import (
    CallCancelledError,
    CallError,
    CallTimeoutError,
    InvalidRequestError,
    OverloadedError,
    RemoteCallError,
    ServiceUnavailableError,
    WorkerLostError,
)

if TYPE_CHECKING:
    from types import TracebackType

    from dynamo_core.host.context import CallContext

logger = logging.getLogger("dynamo_core.host")

_TRAVELLING: Final = (
    CallCancelledError,
    CallTimeoutError,
    OverloadedError,
    RemoteCallError,
    ServiceUnavailableError,
    WorkerLostError,
)
"""What a nested call may raise that the outer caller learns as it is."""
_OWN_FOLDER: Final = str(Path(__file__).parent / "_").removesuffix("_")


def as_call_error(exc: BaseException, context: CallContext) -> CallError:
    """Turn what an endpoint raised into what its caller meets, and log it unless it was another service's.

    - Errors of nested calls that the endpoint let through travel as themselves, so that the caller learns which
      service was slow, lost or full; a ``RemoteCallError`` keeps its origin and gets a line for each service it
      passed. A lost worker counts as *begun* from here on: this endpoint did run.
    - An ``InvalidRequestError`` travels when the endpoint refuses its own arguments with it.
    - Everything else becomes a ``RemoteCallError``: it is a fault of this endpoint. ``SystemExit``,
      ``KeyboardInterrupt`` and ``GeneratorExit`` are no exception; an endpoint cannot end its worker.

    Args:
        exc: What it raised.
        context: The call.
    """
    if isinstance(exc, RemoteCallError):
        return _passed_on(exc, context)
    if isinstance(exc, WorkerLostError):
        return WorkerLostError(exc.service, exc.slot, endpoint=exc.endpoint, reason=exc.reason)
    if isinstance(exc, _TRAVELLING):
        return exc
    if isinstance(exc, InvalidRequestError) and (exc.service, exc.endpoint) == (
        context.service,
        context.endpoint,
    ):
        return exc
    return _raised(exc, context)


def log_failure(exc: BaseException, context: CallContext, what: str) -> None:
    """Write one error, with the user's part of its traceback."""
    logger.error(
        "%s.%s (worker %s/%d) %s",
        context.service,
        context.endpoint,
        context.service,
        context.slot,
        what,
        exc_info=(type(exc), exc, _users_frames(exc.__traceback__)),
    )


def traceback_text(exc: BaseException) -> str:
    """The traceback of an exception without the host's frames, as text."""
    try:
        lines = traceback.format_exception(type(exc), exc, _users_frames(exc.__traceback__))
    except Exception as failed:  # noqa: BLE001  # formatting runs code of the user's classes
        return f"<its traceback cannot be shown: {type(failed).__name__}>"
    return shorten("".join(lines))


def _raised(exc: BaseException, context: CallContext) -> RemoteCallError:
    log_failure(exc, context, "raised")
    return RemoteCallError(
        type(exc).__name__,
        message_of(exc),
        traceback_text=traceback_text(exc),
        service=context.service,
        slot=context.slot,
        endpoint=context.endpoint,
    )


def _passed_on(exc: RemoteCallError, context: CallContext) -> RemoteCallError:
    where = f"let through by {context.service}.{context.endpoint} (worker {context.service}/{context.slot})"
    logger.debug("%s.%s raised %s: %s", exc.service, exc.endpoint, exc.type_name, where)
    return RemoteCallError(
        exc.type_name,
        exc.message,
        traceback_text=shorten(f"{exc.traceback_text.rstrip()}\n{where}\n".lstrip()),
        service=exc.service,
        slot=exc.slot,
        endpoint=exc.endpoint,
    )


def _users_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame on that is not the host's; all of it when there is none."""
    own = trace
    while own is not None and own.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        own = own.tb_next
    return trace if own is None else own
