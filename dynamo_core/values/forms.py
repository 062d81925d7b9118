"""Type forms before msgspec sees them: what is in them, and what has to be written differently."""

from __future__ import annotations

import collections.abc
import functools
import operator
import sys
import types
import typing
from typing import Any, Final

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

_RESPONSE_MODULES: Final = ("starlette.responses",)


def replace_object(form: Any) -> Any:
    """Write ``Any`` for ``object`` where the form can be rebuilt: msgspec reads Any without asking a hook."""
    if form is object:
        return Any
    if typing.get_origin(form) is typing.Annotated and form.__origin__ is object:
        return Any
    arguments = typing.get_args(form)
    origin = typing.get_origin(form)
    if not arguments or object not in flatten(form) or origin in {typing.Literal, collections.abc.Callable}:
        return form
    replaced = tuple(replace_object(argument) for argument in arguments)
    if origin in {typing.Union, types.UnionType}:
        return Any if Any in replaced else form
    if isinstance(form, types.GenericAlias) and isinstance(origin, type):
        return types.GenericAlias(origin, replaced)
    copy = getattr(form, "copy_with", None)  # typing.Dict[...] and collections.abc.Mapping[...]
    return copy(replaced) if copy is not None and origin is not typing.Annotated else form


def flatten(form: Any) -> Iterator[Any]:
    """Every class and form inside *form*, itself included."""
    waiting = [form]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, list | tuple):
            waiting.extend(part)
        elif typing.get_origin(part) is typing.Annotated:
            waiting.append(part.__origin__)
        elif typing.get_origin(part) is not typing.Literal:
            waiting.extend(typing.get_args(part))


def is_pydantic_model(cls: Any) -> bool:
    return isinstance(cls, type) and hasattr(cls, "__pydantic_validator__") and hasattr(cls, "model_fields")


def is_pydantic_dataclass(cls: Any) -> bool:
    return (
        isinstance(cls, type)
        and "__pydantic_validator__" in vars(cls)
        and hasattr(cls, "__dataclass_fields__")
    )


def needs_adapter(form: Any) -> bool:
    """Whether only pydantic reads *form* as its author means it: its dataclasses, and its ``Field`` limits."""
    if "pydantic" not in sys.modules:
        return False  # nothing in the form can be pydantic's
    for part in flatten(form):
        if is_pydantic_dataclass(part):
            return True
        for extra in getattr(part, "__metadata__", ()):
            if type(extra).__module__.partition(".")[0] in {"pydantic", "annotated_types"}:
                return True
    return False


def mentions_pydantic(form: Any) -> bool:
    """Whether a pydantic model stands in *form*, or in a field of a dataclass or TypedDict in it."""
    seen: set[int] = set()
    waiting = [form]
    while waiting:
        for part in flatten(waiting.pop()):
            if id(part) in seen:
                continue
            seen.add(id(part))
            if is_pydantic_model(part) or is_pydantic_dataclass(part):
                return True
            if isinstance(part, type) and (
                hasattr(part, "__dataclass_fields__") or typing.is_typeddict(part)
            ):
                try:
                    waiting.extend(typing.get_type_hints(part).values())
                except (NameError, TypeError, AttributeError):
                    continue  # msgspec says what is wrong with it
    return False


def is_model_form(form: Any) -> bool:
    if typing.get_origin(form) is typing.Annotated:
        return is_model_form(form.__origin__)
    if typing.get_origin(form) in {typing.Union, types.UnionType}:
        members = [member for member in typing.get_args(form) if member is not type(None)]
        return all(is_model_form(member) for member in members)
    return isinstance(form, type) and (
        is_pydantic_model(form) or hasattr(form, "__dataclass_fields__") or typing.is_typeddict(form)
    )


def _is_response(form: Any) -> bool:
    return isinstance(form, type) and any(base.__module__ in _RESPONSE_MODULES for base in form.__mro__)


def without_responses(form: Any) -> Any:
    """Leave out Starlette's responses: they pass through HTTP, and never become values."""
    if _is_response(form):
        return Any
    if typing.get_origin(form) not in {typing.Union, types.UnionType}:
        return form
    members = typing.get_args(form)
    kept = [member for member in members if not _is_response(member)]
    if len(kept) == len(members):
        return form
    return functools.reduce(operator.or_, kept) if kept else Any


def describe(form: Any) -> str:
    """Name *form* as its author wrote it, as near as can be."""
    if form in (None, type(None), Ellipsis):
        return "..." if form is Ellipsis else "None"
    arguments = typing.get_args(form)
    origin: Any = typing.get_origin(form)
    if isinstance(form, type) and not arguments:
        return form.__qualname__.rpartition("<locals>.")[2]
    if origin in {typing.Union, types.UnionType}:
        return " | ".join(describe(argument) for argument in arguments)
    if isinstance(origin, type) and origin is not collections.abc.Callable and arguments:
        return f"{origin.__name__}[{', '.join(map(describe, arguments))}]"
    return repr(form).replace("typing.", "").replace("collections.abc.", "")
