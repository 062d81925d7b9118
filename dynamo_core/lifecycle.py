"""Decorators that mark methods a worker runs around serving: start, stop, and health."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, TypeVar

from dynamo_core.errors import DeclarationError
from dynamo_core.source_location import locate_function

F = TypeVar("F", bound=Callable[..., Any])

MARK: Final = "__dynamo_hooks__"


def takes_self(function: Callable[..., Any]) -> bool:
    """Whether the first parameter of *function* can be the instance."""
    parameters = list(inspect.signature(function).parameters.values())
    return bool(parameters) and parameters[0].kind in {
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    }


def required_arguments(function: Callable[..., Any]) -> list[str]:
    """Names of the arguments that a call of the method *function* must give."""
    return [
        parameter.name
        for parameter in list(inspect.signature(function).parameters.values())[1:]
        if parameter.default is parameter.empty
        and parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    ]


def find_hook_fault(function: Callable[..., Any], kind: str) -> str | None:
    """What keeps *function* from being a life-cycle hook of that kind; None when nothing does."""
    name = function.__name__
    if not takes_self(function):
        return f"@{kind}: {name} has no first parameter for the instance (self)"
    required = required_arguments(function)
    if required:
        return f"@{kind} calls {name} without arguments, and it wants {', '.join(map(repr, required))}"
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        return f"@{kind} marks a plain method, and {name} is a generator"
    if kind == "on_start" and inspect.iscoroutinefunction(function):
        return f"@{kind}: {name} is async: mark it with @async_on_start"
    if kind == "async_on_start" and not inspect.iscoroutinefunction(function):
        return f"@{kind}: {name} is not async: mark it with @on_start"
    return None


def _mark(function: F, kind: str) -> F:
    if not inspect.isfunction(function):
        inner = getattr(function, "__func__", None)  # of a staticmethod or classmethod
        raise DeclarationError(
            f"@{kind} marks a method written with def or async def, got {type(function).__name__}",
            locate_function(inner) if inspect.isfunction(inner) else None,
        )
    fault = find_hook_fault(function, kind)
    if fault is not None:
        raise DeclarationError(fault, locate_function(function))
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
