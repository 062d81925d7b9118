"""What a run refuses or fails to do, as data, so that whoever asked meets the same error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dynamo_core.errors import (
    AddressInUseError,
    ConfigError,
    DynamoError,
    RunDirectoryError,
    ServiceFailedError,
    ServiceNotFoundError,
    StartError,
    UnsupportedOperationError,
)

_KNOWN: Final[Mapping[str, tuple[type[DynamoError], tuple[str, ...]]]] = {
    cls.__name__: (cls, fields)
    for cls, fields in (
        (AddressInUseError, ("host", "port", "service")),
        (ConfigError, ()),
        (RunDirectoryError, ()),
        (ServiceFailedError, ("service", "cause", "slot", "last_lines")),
        (ServiceNotFoundError, ("name", "known")),
        (StartError, ("service", "cause", "slot", "last_lines")),
        (UnsupportedOperationError, ("provider", "operation", "reason")),
    )
}
"""Errors that keep their class, and the facts they are built from; their text where there are none."""


class ControlError(DynamoError):
    """A run refused or failed to do what was asked, for a reason that has no class of its own here.

    Attributes:
        type_name: Name of the exception's class in the run.
    """

    def __init__(self, message: str, *, type_name: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.type_name = type_name
        if exit_code is not None:
            self.exit_code = exit_code  # type: ignore[misc]  # a class constant everywhere else


def failure_to_data(exc: DynamoError | TimeoutError) -> dict[str, Any]:
    """*exc* as plain data."""
    name = type(exc).__name__
    data: dict[str, Any] = {"type": name, "message": str(exc)}
    if isinstance(exc, DynamoError):
        data["exit_code"] = exc.exit_code
    if name in _KNOWN:
        _, fields = _KNOWN[name]
        facts = {field: getattr(exc, field) for field in fields}
        data["facts"] = {
            field: list(value) if isinstance(value, tuple) else value for field, value in facts.items()
        }
    return data


def failure_from_data(data: Mapping[str, Any]) -> DynamoError | TimeoutError:
    """The reverse of :func:`failure_to_data`; what a newer side has sent becomes a :class:`ControlError`."""
    name, message = str(data.get("type", "")), str(data.get("message", ""))
    if name == "TimeoutError":
        return TimeoutError(message)
    known, facts = _KNOWN.get(name), data.get("facts")
    if known is not None and isinstance(facts, Mapping):
        cls, fields = known
        if not fields:
            return cls(message)
        if all(field in facts for field in fields):
            return cls(**{field: facts[field] for field in fields})
    code = data.get("exit_code")
    is_code = isinstance(code, int) and not isinstance(code, bool)
    return ControlError(message, type_name=name, exit_code=code if is_code else None)
