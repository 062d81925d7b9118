"""Finding fields in a JSON document that its dataclasses, attrs classes and TypedDicts do not have.

msgspec skips such fields. Between services that is wanted: the far side may be newer. In a request from outside
it hides a misspelt name, so there they are refused.
Structs and pydantic models say themselves what they take.
"""

from __future__ import annotations

from typing import Final

from msgspec import inspect as mi

from dynamo_core.values.kinds import strip, walk_info

_CHECKED: Final = (mi.DataclassType, mi.TypedDictType)
_FIELDED: Final = (mi.DataclassType, mi.TypedDictType, mi.StructType)


class UnknownFieldFinder:
    """Looks for unknown fields by one type.

    Args:
        info: msgspec's description of it.

    Attributes:
        is_needed: False when nothing in the type could have an unknown field.
    """

    def __init__(self, info: mi.Type) -> None:
        self._node = _compile(info, {})
        self.is_needed = self._node is not None

    def find(self, data: object, path: str) -> str | None:
        """Describe the first unknown field in *data*, which is called *path*; None when there is none."""
        return None if self._node is None else self._node.find(data, path)


class _Node:
    """What to look for in one place of a document."""

    def find(self, data: object, path: str) -> str | None:
        """Describe the first unknown field in *data*."""
        raise NotImplementedError


class _Fields(_Node):
    def __init__(self, name: str, *, is_checked: bool) -> None:
        self._name = name
        self._is_checked = is_checked
        self._known: frozenset[str] = frozenset()
        self._inner: dict[str, _Node] = {}

    def fill(self, known: frozenset[str], inner: dict[str, _Node]) -> None:
        """Set the fields, which may lead back to this very node."""
        self._known = known
        self._inner = inner

    def find(self, data: object, path: str) -> str | None:
        if not isinstance(data, dict):
            return None
        if self._is_checked and not data.keys() <= self._known:
            key = next(str(key) for key in data if key not in self._known)
            known = ", ".join(sorted(self._known)) or "none"
            return f"{self._name} has no field {key[:80]!r} (at {path}); it has: {known}"
        for key, node in self._inner.items():
            found = node.find(data.get(key), f"{path}.{key}")
            if found is not None:
                return found
        return None


class _Values(_Node):
    def __init__(self, node: _Node) -> None:
        self._node = node

    def find(self, data: object, path: str) -> str | None:
        items = data.items() if isinstance(data, dict) else ()
        for key, item in items:
            found = self._node.find(item, f"{path}.{key}")
            if found is not None:
                return found
        return None


class _Items(_Node):
    def __init__(self, node: _Node) -> None:
        self._node = node

    def find(self, data: object, path: str) -> str | None:
        for index, item in enumerate(data if isinstance(data, list) else ()):
            found = self._node.find(item, f"{path}[{index}]")
            if found is not None:
                return found
        return None


class _Places(_Node):
    def __init__(self, nodes: list[_Node | None]) -> None:
        self._nodes = nodes

    def find(self, data: object, path: str) -> str | None:
        pairs = zip(self._nodes, data if isinstance(data, list) else (), strict=False)
        for index, (node, item) in enumerate(pairs):
            found = None if node is None else node.find(item, f"{path}[{index}]")
            if found is not None:
                return found
        return None


class _Choice(_Node):
    """A union: one member at most is read from an object, and one from an array."""

    def __init__(self, nodes: list[_Node]) -> None:
        self._nodes = nodes

    def find(self, data: object, path: str) -> str | None:
        for node in self._nodes:
            found = node.find(data, path)
            if found is not None:
                return found
        return None


def _compile(declared: mi.Type, made: dict[int, _Fields]) -> _Node | None:  # noqa: PLR0911  # one per kind
    info = strip(declared)
    if id(info) in made:
        return made[id(info)]
    if not any(isinstance(part, _CHECKED) for _, part in walk_info(info)):
        return None
    match info:
        case mi.DataclassType() | mi.TypedDictType() | mi.StructType():
            return _compile_fields(info, made)
        case mi.DictType():
            return _wrap(_Values, _compile(info.value_type, made))
        case mi.CollectionType():
            return _wrap(_Items, _compile(info.item_type, made))
        case mi.TupleType():
            return _Places([_compile(item, made) for item in info.item_types])
        case mi.NamedTupleType():
            return _Places([_compile(field.type, made) for field in info.fields])
        case mi.UnionType():
            return _compile_union(info, made)
        case _:
            return None


def _compile_fields(
    info: mi.DataclassType | mi.TypedDictType | mi.StructType, made: dict[int, _Fields]
) -> _Fields:
    node = made[id(info)] = _Fields(info.cls.__name__, is_checked=isinstance(info, _CHECKED))
    compiled = {field.encode_name: _compile(field.type, made) for field in info.fields}
    node.fill(frozenset(compiled), {name: inner for name, inner in compiled.items() if inner is not None})
    return node


def _compile_union(info: mi.UnionType, made: dict[int, _Fields]) -> _Node | None:
    members = [strip(member) for member in info.types]
    if sum(isinstance(member, _FIELDED) for member in members) > 1:
        return None  # tagged Structs, whose choice is msgspec's
    nodes = [_compile(member, made) for member in members]
    return _Choice([node for node in nodes if node is not None])


def _wrap(kind: type[_Values] | type[_Items], node: _Node | None) -> _Node | None:
    return None if node is None else kind(node)
