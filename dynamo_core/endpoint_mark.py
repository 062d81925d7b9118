"""``@endpoint`` and ``@api``: mark a method as callable from other services, and over HTTP."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar, overload

import attrs

from dynamo_core.errors import DeclarationError, Location

F = TypeVar("F", bound=Callable[..., Any])

MARK: Final = "__dynamo_endpoint__"
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)+|/")


@attrs.frozen(kw_only=True)
class EndpointMark:
    """What the decorator was told; kept on the function, read when the graph is collected."""

    name: str
    idempotent: bool = False
    batchable: bool = False
    timeout_s: float | None = None
    max_concurrency: int | None = None
    is_api: bool = False
    method: str = "POST"
    path: str | None = None
    location: Location


def _location_of(function: Callable[..., Any], depth: int) -> Location:
    code = getattr(function, "__code__", None)
    if code is not None:
        return Location(code.co_filename, code.co_firstlineno)
    frame = sys._getframe(depth)
    return Location(frame.f_code.co_filename, frame.f_lineno)


def _check_options(mark: EndpointMark) -> None:
    where = mark.location
    if not isinstance(mark.name, str) or _NAME.fullmatch(mark.name) is None:
        raise DeclarationError(
            f"an endpoint's name must match [A-Za-z_][A-Za-z0-9_]{{0,63}}, got {mark.name!r}", where
        )
    if mark.timeout_s is not None and not (_is_number(mark.timeout_s) and 0 < mark.timeout_s < float("inf")):
        raise DeclarationError(
            f"{mark.name}: timeout_s must be a number above 0, got {mark.timeout_s!r}", where
        )
    limit = mark.max_concurrency
    if limit is not None and not (isinstance(limit, int) and not isinstance(limit, bool) and limit >= 1):
        raise DeclarationError(f"{mark.name}: max_concurrency must be an integer >= 1, got {limit!r}", where)
    if mark.method not in _METHODS:
        raise DeclarationError(
            f"{mark.name}: method must be one of {', '.join(_METHODS)}, got {mark.method!r}", where
        )
    if mark.path is not None and (not isinstance(mark.path, str) or _PATH.fullmatch(mark.path) is None):
        raise DeclarationError(
            f"{mark.name}: path must start with '/' and hold letters, digits and . _ ~ - between slashes, "
            f"got {mark.path!r}",
            where,
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _mark(function: F, *, name: str | None, is_api: bool, **options: Any) -> F:
    """Check *options* and put the mark on *function* (options are the decorator's own keywords)."""
    where = _location_of(function, 3)
    if not inspect.isfunction(function):
        raise DeclarationError(
            f"@{'api' if is_api else 'endpoint'} marks a method written with def or async def, "
            f"got {type(function).__name__} (put it below @staticmethod, @classmethod or @property: not supported)",
            where,
        )
    given = function.__name__ if name is None else name
    if given.startswith("__"):
        raise DeclarationError(
            f"{given!r} cannot be an endpoint: names with two underscores are Python's", where
        )
    mark = EndpointMark(name=given, is_api=is_api, location=where, **options)
    _check_options(mark)
    setattr(function, MARK, mark)
    return function


@overload
def endpoint(function: F, /) -> F: ...
@overload
def endpoint(
    *,
    name: str | None = None,
    idempotent: bool = False,
    batchable: bool = False,
    timeout_s: float | None = None,
    max_concurrency: int | None = None,
) -> Callable[[F], F]: ...
def endpoint(
    function: F | None = None,
    /,
    *,
    name: str | None = None,
    idempotent: bool = False,
    batchable: bool = False,
    timeout_s: float | None = None,
    max_concurrency: int | None = None,
) -> F | Callable[[F], F]:
    """Mark a method as an endpoint: other services can call it through ``depends``.

    The function itself is returned; calling it directly keeps working.

    Args:
        function: The method, when used without parentheses.
        name: Name on the wire; default is the method's.
        idempotent: The call may be made again if its worker is lost while it runs.
        batchable: A provider may join several calls into one.
        timeout_s: Seconds a call may take when its caller sets no limit, above 0.
        max_concurrency: Calls that one worker runs at once, at least 1; more wait their turn.

    Raises:
        DeclarationError: An option is out of range, or what is marked is no plain method.
    """

    def decorate(target: F) -> F:
        return _mark(
            target,
            name=name,
            is_api=False,
            idempotent=idempotent,
            batchable=batchable,
            timeout_s=timeout_s,
            max_concurrency=max_concurrency,
        )

    return decorate if function is None else decorate(function)


@overload
def api(function: F, /) -> F: ...
@overload
def api(
    *,
    name: str | None = None,
    method: str = "POST",
    path: str | None = None,
    idempotent: bool = False,
    batchable: bool = False,
    timeout_s: float | None = None,
    max_concurrency: int | None = None,
) -> Callable[[F], F]: ...
def api(
    function: F | None = None,
    /,
    *,
    name: str | None = None,
    method: str = "POST",
    path: str | None = None,
    idempotent: bool = False,
    batchable: bool = False,
    timeout_s: float | None = None,
    max_concurrency: int | None = None,
) -> F | Callable[[F], F]:
    """Mark a method as an endpoint that HTTP reaches too.

    Args:
        function: The method, when used without parentheses.
        name: Name on the wire; default is the method's.
        method: GET, POST, PUT, PATCH or DELETE.
        path: Path of the route; default is ``/`` and the endpoint's name.
        idempotent: As for :func:`endpoint`.
        batchable: As for :func:`endpoint`.
        timeout_s: As for :func:`endpoint`.
        max_concurrency: As for :func:`endpoint`.

    Raises:
        DeclarationError: An option is out of range, or what is marked is no plain method.
    """

    def decorate(target: F) -> F:
        return _mark(
            target,
            name=name,
            is_api=True,
            method=method.upper(),
            path=path,
            idempotent=idempotent,
            batchable=batchable,
            timeout_s=timeout_s,
            max_concurrency=max_concurrency,
        )

    return decorate if function is None else decorate(function)
