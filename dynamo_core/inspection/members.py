"""What a class has, itself or by inheritance, in the order of declaration."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dynamo_core.lifecycle import takes_self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NOTHING: Final = object()


class Member(NamedTuple):
    """One attribute as instances of a class see it.

    Attributes:
        attribute: Its name.
        value: What the class has under it.
        owner: The class that it comes from.
    """

    attribute: str
    value: object
    owner: type


class Method(NamedTuple):
    """A member that is a function.

    Attributes:
        attribute: Its name.
        function: The function.
        owner: The class that it comes from.
    """

    attribute: str
    function: Callable[..., Any]
    owner: type

    @property
    def label(self) -> str:
        """How messages name it; the same for every class that inherits it."""
        return f"{short_name(self.owner)}.{self.attribute}"

    @property
    def takes_self(self) -> bool:
        """Whether its first parameter can be the instance."""
        return takes_self(self.function)

    @property
    def is_declared_only(self) -> bool:
        """Whether it is there to be implemented by others: abstract, or in the body of a protocol."""
        return bool(getattr(self.function, "__isabstractmethod__", False)) or is_protocol(self.owner)


def find_members(cls: type) -> Iterator[Member]:
    """Every attribute of *cls*, those of base classes first; what is overridden keeps its place."""
    names: dict[str, None] = {}
    for base in reversed(cls.__mro__[:-1]):
        names.update(dict.fromkeys(vars(base)))
    for name in names:
        owner = next(base for base in cls.__mro__ if name in vars(base))
        yield Member(name, vars(owner)[name], owner)


def find_mark(cls: type, attribute: str, mark: str) -> Any:
    """The value of *mark* on a method; an override without one has that of what it overrides.

    Returns:
        None when neither it nor what it overrides is marked, or when it is no function.
    """
    for base in cls.__mro__:
        value = vars(base).get(attribute, _NOTHING)
        if value is _NOTHING:
            continue
        if not inspect.isfunction(value):
            return None
        if mark in vars(value):
            return vars(value)[mark]
    return None


def find_hidden_function(value: object, mark: str) -> Callable[..., Any] | None:
    """The marked function inside a member that is no function itself; None when there is none."""
    inner: object
    match value:
        case staticmethod() | classmethod():
            inner = value.__func__
        case property():
            inner = value.fget
        case functools.cached_property() | functools.partialmethod():
            inner = value.func
        case _:
            inner = getattr(value, "__dict__", {}).get("__wrapped__")
    return inner if inspect.isfunction(inner) and mark in vars(inner) else None


def short_name(cls: type) -> str:
    """The qualified name of *cls*, without the functions around it."""
    return cls.__qualname__.rpartition("<locals>.")[2]


def is_protocol(cls: type) -> bool:
    """Whether *cls* is a protocol itself, as opposed to a class that implements one."""
    return bool(getattr(cls, "_is_protocol", False))
