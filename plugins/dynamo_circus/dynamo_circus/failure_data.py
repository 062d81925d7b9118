"""Errors of a run as data, so that they reach the caller's process whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynamo_core.errors import (
    AddressInUseError,
    ConfigError,
    DynamoError,
    RunDirectoryError,
    ServiceFailedError,
    StartError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class SupervisorError(DynamoError):
    """The supervisor process met an error that has no type of its own here, or was killed."""

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        if exit_code is not None:
            self.exit_code = exit_code  # type: ignore[misc]  # a class constant everywhere else


def failure_to_data(error: DynamoError) -> dict[str, Any]:
    """What JSON can hold of *error*."""
    data: dict[str, Any] = {"type": type(error).__name__, "message": str(error), "exit_code": error.exit_code}
    if isinstance(error, StartError | ServiceFailedError):
        data.update(
            service=error.service, cause=error.cause, slot=error.slot, last_lines=list(error.last_lines)
        )
    elif isinstance(error, AddressInUseError):
        data.update(host=error.host, port=error.port, service=error.service)
    elif isinstance(error, ConfigError):
        data.update(problems=[str(problem) for problem in error.problems])
    return data


def failure_from_data(data: Mapping[str, Any]) -> DynamoError:
    """The error that *data* tells of."""
    kind = data["type"]
    if kind in {"StartError", "ServiceFailedError"}:
        error_class = StartError if kind == "StartError" else ServiceFailedError
        return error_class(data["service"], data["cause"], slot=data["slot"], last_lines=data["last_lines"])
    if kind == "AddressInUseError":
        return AddressInUseError(data["host"], data["port"], service=data["service"])
    if kind == "ConfigError":
        return ConfigError(*data["problems"])
    if kind == "RunDirectoryError":
        return RunDirectoryError(data["message"])
    return SupervisorError(data["message"], exit_code=data["exit_code"])
