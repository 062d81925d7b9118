"""Giving decoded dataclasses the defaults that msgspec leaves to the class.

msgspec does not set a field that was not in the data when its default is a plain value: reading the attribute
finds it on the class.
But msgspec encodes what the instance itself has, so that such a field would be missing from JSON made of a value
that was received.
Classes with slots, attrs classes and Structs are not concerned.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from msgspec import inspect as mi

from dynamo_core.values.kinds import strip, walk_info


class Completer:
    """Completes the dataclasses inside values of one type."""

    def complete(self, value: Any) -> None:
        """Set every field that *value*, or a dataclass in it, has from its class only."""
        raise NotImplementedError


def make_completer(info: mi.Type) -> Completer | None:
    """Build the completer of a type; None when its values are always complete."""
    return _compile(info, {})


class _Instance(Completer):
    def __init__(self, cls: type) -> None:
        self._cls = cls
        self._names: tuple[str, ...] = ()
        self._inner: tuple[tuple[str, Completer], ...] = ()

    def fill(self, names: tuple[str, ...], inner: tuple[tuple[str, Completer], ...]) -> None:
        """Set the fields, which may lead back to this very node."""
        self._names = names
        self._inner = inner

    def complete(self, value: Any) -> None:
        if type(value) is not self._cls:
            return
        if self._names:
            own = value.__dict__
            for name in self._names:
                if name not in own:
                    _reorder(value, own, self._names)
                    break
        for name, inner in self._inner:
            inner.complete(getattr(value, name, None))


def _reorder(value: Any, own: dict[str, object], names: tuple[str, ...]) -> None:
    """Put all fields into the instance's own attributes, in their order."""
    complete = {name: getattr(value, name) for name in names if hasattr(value, name)}
    complete.update(own)
    own.clear()
    own.update(complete)


class _Mapping(Completer):
    """A TypedDict."""

    def __init__(self) -> None:
        self._inner: tuple[tuple[str, Completer], ...] = ()

    def fill(self, inner: tuple[tuple[str, Completer], ...]) -> None:
        """Set the fields, which may lead back to this very node."""
        self._inner = inner

    def complete(self, value: Any) -> None:
        if type(value) is dict:
            for name, inner in self._inner:
                inner.complete(value.get(name))


class _Each(Completer):
    def __init__(self, inner: Completer) -> None:
        self._inner = inner

    def complete(self, value: Any) -> None:
        if isinstance(value, dict):
            value = value.values()
        elif not isinstance(value, list | tuple | set | frozenset):
            return
        for item in value:
            self._inner.complete(item)


class _Places(Completer):
    def __init__(self, inner: list[Completer | None]) -> None:
        self._inner = inner

    def complete(self, value: Any) -> None:
        if isinstance(value, tuple):
            for inner, item in zip(self._inner, value, strict=False):
                if inner is not None:
                    inner.complete(item)


class _Choice(Completer):
    def __init__(self, inner: list[Completer]) -> None:
        self._inner = inner

    def complete(self, value: Any) -> None:
        for inner in self._inner:
            inner.complete(value)


def _is_concerned(info: mi.Type) -> bool:
    return isinstance(info, mi.DataclassType) and bool(_plain_names(info.cls))


def _plain_names(cls: Any) -> tuple[str, ...]:
    """All fields of a dataclass without slots that has plain defaults; nothing for every other class."""
    if not dataclasses.is_dataclass(cls) or not getattr(cls, "__dictoffset__", 0):
        return ()
    fields = dataclasses.fields(cls)
    has_plain = any(field.default is not dataclasses.MISSING for field in fields)
    return tuple(field.name for field in fields) if has_plain else ()


def _compile(declared: mi.Type, made: dict[int, Completer]) -> Completer | None:  # noqa: PLR0911  # one per kind
    info = strip(declared)
    if id(info) in made:
        return made[id(info)]
    if not any(_is_concerned(part) for _, part in walk_info(info)):
        return None
    match info:
        case mi.DataclassType() | mi.StructType():
            node = made[id(info)] = _Instance(info.cls)
            names = _plain_names(info.cls) if isinstance(info, mi.DataclassType) else ()
            node.fill(names, _compile_fields(info, made))
            return node
        case mi.TypedDictType():
            mapping = made[id(info)] = _Mapping()
            mapping.fill(_compile_fields(info, made))
            return mapping
        case mi.DictType():
            return _wrap(_compile(info.value_type, made))
        case mi.CollectionType():
            return _wrap(_compile(info.item_type, made))
        case mi.TupleType():
            return _Places([_compile(item, made) for item in info.item_types])
        case mi.NamedTupleType():
            return _Places([_compile(field.type, made) for field in info.fields])
        case mi.UnionType():
            nodes = [_compile(member, made) for member in info.types]
            return _Choice([node for node in nodes if node is not None])
        case _:
            return None


def _compile_fields(
    info: mi.DataclassType | mi.StructType | mi.TypedDictType, made: dict[int, Completer]
) -> tuple[tuple[str, Completer], ...]:
    compiled = ((field.name, _compile(field.type, made)) for field in info.fields)
    return tuple((name, inner) for name, inner in compiled if inner is not None)


def _wrap(inner: Completer | None) -> Completer | None:
    return None if inner is None else _Each(inner)
