"""Problem documents (RFC 9457): what a client gets instead of a result.

``docs/reference/http-contract.md`` lists every status with its members.
Nothing in them tells how a service is built: an exception's text and traceback stay in the log, under the
*reference* that the document carries.
"""

from __future__ import annotations

import http
import logging
import math
import secrets
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from dynamo_core.errors import (
    CallCancelledError,
    CallError,
    CallTimeoutError,
    InvalidRequestError,
    OverloadedError,
    ServiceUnavailableError,
    WorkerLostError,
)
from dynamo_core.http.asgi import Send, send_body
from dynamo_core.values import MalformedRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

PROBLEM_TYPE: Final = b"application/problem+json"
RETRY_AFTER_S: Final = 1
_CLOSE: Final = (b"connection", b"close")


@attrs.frozen(kw_only=True)
class ProblemDocument:
    """One problem, ready to be sent.

    Attributes:
        status: HTTP status.
        detail: One sentence for a person.
        members: Further members for programs.
        headers: Further response headers.
    """

    status: int
    detail: str
    members: Mapping[str, object] = attrs.field(factory=dict)
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def to_data(self) -> dict[str, Any]:  # JSON-able values
        """Give the document as plain data."""
        return {
            "type": "about:blank",
            "title": title_of(self.status),
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }

    def to_json(self) -> bytes:
        """Give the document as JSON."""
        return msgspec.json.encode(self.to_data())


class RefusedError(Exception):
    """A request is answered with a problem document; never leaves this package."""

    def __init__(self, problem: ProblemDocument) -> None:
        super().__init__(f"{problem.status} {problem.detail}")
        self.problem = problem


def title_of(status: int) -> str:
    """Give the phrase of *status*, which RFC 9457 wants as the title of ``about:blank``.

    It is the one of the status line, which servers take from the same table: 422 is "Unprocessable Entity" there, and
    "Unprocessable Content" since Python 3.13.
    """
    return http.HTTPStatus(status).phrase


def refuse(
    status: int, detail: str, *, headers: tuple[tuple[bytes, bytes], ...] = (), **members: object
) -> RefusedError:
    """Make the error that answers a request with *status*."""
    return RefusedError(ProblemDocument(status=status, detail=detail, members=members, headers=headers))


def refuse_unread(status: int, detail: str) -> RefusedError:
    """Make the error that answers without reading the body, so that the connection has to close."""
    return refuse(status, detail, headers=(_CLOSE,))


async def send_problem(send: Send, problem: ProblemDocument) -> None:
    """Send *problem* as a whole response."""
    await send_body(send, problem.status, PROBLEM_TYPE, problem.to_json(), problem.headers)


def describe_failure(service: str, endpoint: str, exc: Exception) -> ProblemDocument:
    """Turn what a call raised into the problem its HTTP client sees.

    Failures of the server's side (500) are logged here, since nobody else will see their reason.

    Args:
        service: Name of the service that was called.
        endpoint: Name of the endpoint.
        exc: What the call raised.
    """
    facts = {"kind": type(exc).__name__, "service": service, "endpoint": endpoint}
    if isinstance(exc, InvalidRequestError) and (exc.service, exc.endpoint) == (service, endpoint):
        return _describe_invalid(exc, facts)
    if isinstance(exc, CallTimeoutError):
        return ProblemDocument(
            status=504, detail="the call did not finish before its deadline", members=facts
        )
    found = _explain_unavailable(exc)
    if found is None:
        return _describe_internal(exc, facts)
    detail, retry_after_s = found
    if isinstance(exc, WorkerLostError):
        facts["worker"] = f"{exc.service}/{exc.slot}"
    headers = () if retry_after_s is None else ((b"retry-after", b"%d" % retry_after_s),)
    return ProblemDocument(status=503, detail=detail, members=facts, headers=headers)


def _explain_unavailable(exc: Exception) -> tuple[str, int | None] | None:
    """Give the detail and the seconds to wait of a 503; no seconds where the call may have run already."""
    match exc:
        case OverloadedError():
            retry_after_s = max(1, math.ceil(exc.retry_after_s))
            return "the service has as many calls as it may take; try again later", retry_after_s
        case ServiceUnavailableError():
            return "no worker of the service can take the call", RETRY_AFTER_S
        case WorkerLostError(begun=False):
            return f"worker {exc.service}/{exc.slot} was lost before the call began", RETRY_AFTER_S
        case WorkerLostError():
            return f"worker {exc.service}/{exc.slot} was lost while the call may have been running", None
        case CallCancelledError():
            return "the call was cancelled because a worker is stopping", None
        case _:
            return None


def _describe_invalid(exc: InvalidRequestError, facts: Mapping[str, object]) -> ProblemDocument:
    errors = [{"parameter": name, "detail": message} for name, message in exc.problems.items()]
    names = ", ".join(exc.problems)
    if isinstance(exc, MalformedRequestError):
        detail = "; ".join(f"{name}: {message}" for name, message in exc.problems.items())
        return ProblemDocument(status=400, detail=detail, members={**facts, "errors": errors})
    return ProblemDocument(
        status=422, detail=f"the arguments do not fit: {names}", members={**facts, "errors": errors}
    )


def _describe_internal(exc: Exception, facts: Mapping[str, object]) -> ProblemDocument:
    reference = secrets.token_hex(6)
    where = f"{facts['service']}.{facts['endpoint']}"
    unexpected = None if isinstance(exc, CallError) else exc
    logger.error("%s failed (reference %s): %s", where, reference, exc, exc_info=unexpected)
    kind = facts["kind"] if isinstance(exc, CallError) else "InternalError"
    return ProblemDocument(
        status=500,
        detail=f"the endpoint failed; the service's log has the reason under {reference}",
        members={**facts, "kind": kind, "reference": reference},
    )
