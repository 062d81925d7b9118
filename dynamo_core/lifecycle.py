"""Decorators that mark methods a worker runs around serving: start, stop, and health."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, TypeVar

from dynamo_core.errors import DeclarationError, Location

F = TypeVar("F", bound=Callable[..., Any])

MARK: Final = "__dynamo_hooks__"


def _mark(function: F, kind: str) -> F:
    code = getattr(function, "__code__", None)
    where = Location(code.co_filename, code.co_firstlineno) if code is not None else None
    if not inspect.isfunction(function):
        raise DeclarationError(
            f"@{kind} marks a method written with def or async def, got {type(function).__name__}", where
        )
    required = [
        parameter.name
        for parameter in list(inspect.signature(function).parameters.values())[1:]
        if parameter.default is parameter.empty
        and parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    ]
    if required:
        raise DeclarationError(
            f"@{kind} calls {function.__name__} with no argument; it wants {required}", where
        )
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise DeclarationError(f"@{kind} marks a plain method, and {function.__name__} is a generator", where)
    if kind == "on_start" and inspect.iscoroutinefunction(function):
        raise DeclarationError(f"{function.__name__} is async: mark it with @async_on_start", where)
    if kind == "async_on_start" and not inspect.iscoroutinefunction(function):
        raise DeclarationError(f"{function.__name__} is not async: mark it with @on_start", where)
    setattr(function, MARK, (*getattr(function, MARK, ()), kind))
    return function


def on_start(function: F) -> F:
    """Mark a ``def`` method that runs before the service is ready, in a thread.

    Hooks run one after another, in declaration order, those of base classes first; dependencies are ready by then.
    A hook that raises fails the worker's start.
    """
    return _mark(function, "on_start")


def async_on_start(function: F) -> F:
    """Mark an ``async def`` method that runs before the service is ready, after the ``on_start`` ones."""
    return _mark(function, "async_on_start")


def on_shutdown(function: F) -> F:
    """Mark a method that runs when the worker stops, after its last call has ended; in reverse order.

    A hook that raises is logged, and the next one runs.
    """
    return _mark(function, "on_shutdown")


def liveness(function: F) -> F:
    """Mark a method that says whether the worker can still work: false, or an exception, means replace it."""
    return _mark(function, "liveness")


def readiness(function: F) -> F:
    """Mark a method that says whether the worker can take calls now: false, or an exception, means not yet."""
    return _mark(function, "readiness")
