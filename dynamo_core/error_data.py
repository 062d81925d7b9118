"""Errors of calls as plain data, and back: how they cross a process boundary. Nothing is pickled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from dynamo_core.errors import (
    CallCancelledError,
    CallError,
    CallTimeoutError,
    EndpointNotFoundError,
    InvalidRequestError,
    OverloadedError,
    RemoteCallError,
    ServiceUnavailableError,
    UnsupportedValueError,
    WorkerLostError,
)
from dynamo_core.values.errors import MalformedRequestError

MAX_TEXT: Final = 64 * 1024
"""Characters that one text of an error may have as data."""
MAX_PROBLEMS: Final = 200
"""Problems of one request, or known names, that are sent."""
_MAX_PROBLEM_TEXT: Final = 2048
_CUT: Final = "\n... {} characters were cut ...\n"

Reader = Callable[["ErrorFacts"], CallError]


def shorten(text: str, limit: int = MAX_TEXT) -> str:
    """Cut the middle out of a text that is too long, and say so there; the result is at most *limit* long."""
    if len(text) <= limit:
        return text
    mark = _CUT.format(len(text) - limit)
    head = limit // 4
    return text[:head] + mark + text[len(text) - (limit - head - len(mark)) :]


def message_of(exc: BaseException) -> str:
    """The text of an exception, whatever its class does; a long one is cut."""
    try:
        return shorten(str(exc))
    except Exception as failed:  # noqa: BLE001  # the user's own __str__; there is no more to say
        return f"<its __str__ raised {type(failed).__name__}>"


class ErrorFacts:
    """Facts of one error as they came from elsewhere: missing or strange ones get harmless values.

    Args:
        data: The facts by name.
        service: Name of the service that was called, where the data name none.
    """

    def __init__(self, data: Mapping[str, Any], service: str) -> None:
        self._data = data
        self._service = service

    def text(self, name: str) -> str:
        """A text; empty when there is none."""
        value = self._data.get(name)
        return value if isinstance(value, str) else ""

    @property
    def service(self) -> str:
        """Name of the service."""
        return self.text("service") or self._service

    def whole(self, name: str) -> int:
        """A whole number; 0 when there is none."""
        value = self._data.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    def number(self, name: str) -> float | None:
        """A number, or None."""
        value = self._data.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def flag(self, name: str, *, default: bool) -> bool:
        """A truth value."""
        value = self._data.get(name)
        return value if isinstance(value, bool) else default

    def texts(self, name: str) -> dict[str, str]:
        """Texts by name."""
        value = self._data.get(name)
        if not isinstance(value, Mapping):
            return {}
        return {str(key): str(item) for key, item in value.items()}

    def names(self, name: str) -> list[str]:
        """A list of texts."""
        value = self._data.get(name)
        return [str(item) for item in value] if isinstance(value, list | tuple) else []


_FACTS: Final[Mapping[type[BaseException], tuple[str, ...]]] = {
    RemoteCallError: ("type_name", "message", "traceback_text", "service", "slot", "endpoint"),
    MalformedRequestError: ("service", "endpoint", "problems"),
    InvalidRequestError: ("service", "endpoint", "problems"),
    UnsupportedValueError: (),
    WorkerLostError: ("service", "slot", "endpoint", "begun", "reason"),
    ServiceUnavailableError: ("service", "reason"),
    OverloadedError: ("service", "endpoint", "limit", "retry_after_s"),
    CallTimeoutError: ("service", "endpoint", "timeout_s", "reason"),
    CallCancelledError: ("service", "endpoint", "slot"),
    EndpointNotFoundError: ("service", "endpoint", "known"),
}
"""Attributes that are sent, by class; a subclass travels as the nearest one that is listed."""


def _remote(facts: ErrorFacts) -> RemoteCallError:
    return RemoteCallError(
        facts.text("type_name") or facts.text("kind") or "UnknownError",
        facts.text("message"),
        traceback_text=facts.text("traceback_text"),
        service=facts.service,
        slot=facts.whole("slot"),
        endpoint=facts.text("endpoint"),
    )


def _lost(facts: ErrorFacts) -> WorkerLostError:
    return WorkerLostError(
        facts.service,
        facts.whole("slot"),
        endpoint=facts.text("endpoint"),
        begun=facts.flag("begun", default=True),
        reason=facts.text("reason"),
    )


def _overloaded(facts: ErrorFacts) -> OverloadedError:
    retry_after_s = facts.number("retry_after_s")
    return OverloadedError(
        facts.service,
        facts.text("endpoint"),
        limit=facts.whole("limit"),
        retry_after_s=1.0 if retry_after_s is None else retry_after_s,
    )


_READERS: Final[Mapping[str, Reader]] = {
    "RemoteCallError": _remote,
    "MalformedRequestError": lambda facts: MalformedRequestError(
        facts.service, facts.text("endpoint"), facts.texts("problems")
    ),
    "InvalidRequestError": lambda facts: InvalidRequestError(
        facts.service, facts.text("endpoint"), facts.texts("problems")
    ),
    "UnsupportedValueError": lambda facts: UnsupportedValueError(facts.text("message")),
    "WorkerLostError": _lost,
    "ServiceUnavailableError": lambda facts: ServiceUnavailableError(facts.service, facts.text("reason")),
    "OverloadedError": _overloaded,
    "CallTimeoutError": lambda facts: CallTimeoutError(
        facts.service,
        facts.text("endpoint"),
        timeout_s=facts.number("timeout_s"),
        reason=facts.text("reason"),
    ),
    "CallCancelledError": lambda facts: CallCancelledError(
        facts.service, facts.text("endpoint"), slot=facts.whole("slot")
    ),
    "EndpointNotFoundError": lambda facts: EndpointNotFoundError(
        facts.service, facts.text("endpoint"), known=facts.names("known")
    ),
}


def error_to_data(exc: BaseException) -> dict[str, object]:
    """Turn an error of a call into data that msgpack and JSON take.

    Every error a caller meets keeps its facts, so that ``error_from_data`` gives an equal one; of anything else
    the class's name and the text remain. Long texts are cut in the middle.

    Args:
        exc: The error.
    """
    for kind in type(exc).__mro__:
        names = _FACTS.get(kind)
        if names is not None:
            facts = {name: _bounded(getattr(exc, name)) for name in names}
            return {"kind": kind.__name__, **facts, **({} if names else {"message": message_of(exc)})}
    return {"kind": "RemoteCallError", "type_name": type(exc).__name__, "message": message_of(exc)}


def error_from_data(data: object, *, service: str) -> CallError:
    """Make the error that *data* describe; whatever they hold, there is one.

    Args:
        data: What ``error_to_data`` gave elsewhere, perhaps in another version.
        service: Name of the service that was called, for data that name none.

    Returns:
        The error, of an unknown kind as a ``RemoteCallError`` of that type name.
    """
    facts = ErrorFacts(data if isinstance(data, Mapping) else {}, service)
    return _READERS.get(facts.text("kind"), _remote)(facts)


def _bounded(value: object) -> object:
    if isinstance(value, str):
        return shorten(value)
    if isinstance(value, Mapping):
        kept = list(value.items())[:MAX_PROBLEMS]
        return {
            shorten(str(key), _MAX_PROBLEM_TEXT): shorten(str(text), _MAX_PROBLEM_TEXT) for key, text in kept
        }
    if isinstance(value, tuple):
        return [shorten(str(item), _MAX_PROBLEM_TEXT) for item in value[:MAX_PROBLEMS]]
    return value
