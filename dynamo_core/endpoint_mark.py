"""``@endpoint`` and ``@api``: mark a method as callable from other services, and over HTTP."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import attrs

from dynamo_core.errors import DeclarationError, Location
from dynamo_core.local_names import names_around_class
from dynamo_core.source_location import locate_function

if TYPE_CHECKING:
    from types import FrameType

F = TypeVar("F", bound=Callable[..., Any])

MARK: Final = "__dynamo_endpoint__"
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)+|/")


@attrs.frozen(kw_only=True)
class EndpointMark:
    """What the decorator was told; kept on the function, read when the graph is collected.

    Attributes:
        name: Name on the wire; None for the attribute's.
        idempotent: Whether a call may be made again after its worker was lost.
        batchable: Whether calls may be joined.
        timeout_s: Seconds a call may take when its caller gives none.
        max_concurrency: Calls that one worker runs at once.
        is_api: Whether HTTP reaches it.
        method: HTTP method.
        path: HTTP path; None for ``/`` and the name.
        local_names: Types of the function around the class, if there is one, for annotations.
    """

    name: str | None
    idempotent: bool = False
    batchable: bool = False
    timeout_s: float | None = None
    max_concurrency: int | None = None
    is_api: bool = False
    method: str = "POST"
    path: str | None = None
    local_names: Mapping[str, object] = attrs.field(factory=dict, repr=False)


def _find_faults(mark: EndpointMark, name: object) -> Iterator[str]:
    """What is wrong with the options of a mark, the worst first."""
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        yield f"an endpoint's name must match {_NAME.pattern}, got {name!r}"
    elif name.startswith("__"):
        yield f"{name!r} cannot be an endpoint: names with two underscores are Python's"
    if mark.timeout_s is not None and not (_is_number(mark.timeout_s) and 0 < mark.timeout_s < float("inf")):
        yield f"{name}: timeout_s must be a number above 0, got {mark.timeout_s!r}"
    limit = mark.max_concurrency
    if limit is not None and not (isinstance(limit, int) and not isinstance(limit, bool) and limit >= 1):
        yield f"{name}: max_concurrency must be an integer >= 1, got {limit!r}"
    for option, value in (("idempotent", mark.idempotent), ("batchable", mark.batchable)):
        if not isinstance(value, bool):
            yield f"{name}: {option} must be True or False, got {value!r}"
    if mark.method not in _METHODS:
        yield f"{name}: method must be one of {', '.join(_METHODS)}, got {mark.method!r}"
    if mark.path is not None and (not isinstance(mark.path, str) or _PATH.fullmatch(mark.path) is None):
        yield (
            f"{name}: path must start with '/' and hold letters, digits and . _ ~ - between slashes, "
            f"got {mark.path!r}"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _mark(function: F, frame: FrameType, mark: EndpointMark) -> F:
    """Put *mark* on *function* if both are sound; *frame* is the one of the class body."""
    if not inspect.isfunction(function):
        raise DeclarationError(
            f"@{'api' if mark.is_api else 'endpoint'} marks a method written with def or async def, got "
            f"{type(function).__name__}; @staticmethod, @classmethod and @property do not go with it",
            Location(frame.f_code.co_filename, frame.f_lineno),
        )
    fault = next(_find_faults(mark, function.__name__ if mark.name is None else mark.name), None)
    if fault is not None:
        raise DeclarationError(fault, locate_function(function))
    setattr(function, MARK, attrs.evolve(mark, local_names=names_around_class(frame)))
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
def endpoint(  # noqa: PLR0913  # each option is a keyword of the decorator
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
        batchable: Calls are joined into batches; the method takes one list and gives one as long.
        timeout_s: Seconds a call may take when its caller sets no limit, above 0.
        max_concurrency: Calls that one worker runs at once, at least 1; more wait their turn.

    Raises:
        DeclarationError: An option is out of range, or what is marked is no plain method.
    """
    mark = EndpointMark(
        name=name,
        idempotent=idempotent,
        batchable=batchable,
        timeout_s=timeout_s,
        max_concurrency=max_concurrency,
    )
    if function is not None:
        return _mark(function, sys._getframe(1), mark)
    return lambda target: _mark(target, sys._getframe(1), mark)


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
def api(  # noqa: PLR0913  # each option is a keyword of the decorator
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
    mark = EndpointMark(
        name=name,
        is_api=True,
        method=method.upper() if isinstance(method, str) else method,
        path=path,
        idempotent=idempotent,
        batchable=batchable,
        timeout_s=timeout_s,
        max_concurrency=max_concurrency,
    )
    if function is not None:
        return _mark(function, sys._getframe(1), mark)
    return lambda target: _mark(target, sys._getframe(1), mark)
