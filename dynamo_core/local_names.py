"""Names that the annotations of a class inside a function see: those of the function, as far as they are types.

Only types are kept, so that a declaration keeps nothing else of the function alive.
"""

from __future__ import annotations

import inspect
import typing
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

_FORMS: Final = (
    type,
    typing.TypeVar,
    typing.NewType,
    *filter(None, [getattr(typing, "TypeAliasType", None)]),
)


def is_type_form(value: object) -> bool:
    """Whether *value* can be meant by an annotation: a class, an alias, a type variable."""
    return isinstance(value, _FORMS) or typing.get_origin(value) is not None


def type_names(names: Mapping[str, object]) -> dict[str, object]:
    """Those of *names* that can be meant by an annotation."""
    return {name: value for name, value in names.items() if is_type_form(value)}


def names_around_class(body: FrameType) -> dict[str, object]:
    """Types of the function around a class.

    Args:
        body: The frame of the class body.

    Returns:
        Types by name; empty for a class at the top of a module.
    """
    frame: FrameType | None = body
    while frame is not None and "__qualname__" in frame.f_locals:  # a class body, maybe in another one
        frame = frame.f_back
    return {} if frame is None or frame is body else names_of_function(frame)


def names_of_function(frame: FrameType) -> dict[str, object]:
    """Types among the local names of a function; empty for the top of a module."""
    return type_names(frame.f_locals) if frame.f_code.co_flags & inspect.CO_NEWLOCALS else {}
