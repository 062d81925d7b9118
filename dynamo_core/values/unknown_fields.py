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
_MAPPINGS: Final = (mi.DataclassType, mi.TypedDictType, mi.StructType, mi.DictType)


class UnknownFieldFinder:
    """Looks for unknown fields by one type.

    Args:
        info: msgspec's description of it.

    Attributes:
        is_needed: False when nothing in the type could have an unknown field.
    """

    def __init__(self, info: mi.Type) -> None:
        self._info = info
        self.is_needed = _has_checked(info)

    def find(self, data: object, path: str) -> str | None:
        """Describe the first unknown field in *data*, which is called *path*; None when there is none."""
        return _find(self._info, data, path) if self.is_needed else None


def _has_checked(info: mi.Type) -> bool:
    return any(isinstance(part, _CHECKED) for _, part in walk_info(info))


def _find(declared: mi.Type, data: object, path: str) -> str | None:
    info = _choose(declared, data)
    if isinstance(data, dict):
        return _find_in_mapping(info, data, path)
    if isinstance(data, list):
        return _find_in_list(info, data, path)
    return None


def _find_in_mapping(info: mi.Type | None, data: dict[str, object], path: str) -> str | None:
    if isinstance(info, mi.DictType):
        for key, item in data.items():
            found = _find(info.value_type, item, f"{path}.{key}")
            if found is not None:
                return found
        return None
    if not isinstance(info, mi.DataclassType | mi.TypedDictType | mi.StructType):
        return None
    fields = {field.encode_name: field.type for field in info.fields}
    for key, item in data.items():
        if key not in fields:
            if isinstance(info, _CHECKED):
                known = ", ".join(fields) or "none"
                return f"{info.cls.__name__} has no field {key[:80]!r} (at {path}); it has: {known}"
            continue
        found = _find(fields[key], item, f"{path}.{key}")
        if found is not None:
            return found
    return None


def _find_in_list(info: mi.Type | None, data: list[object], path: str) -> str | None:
    if isinstance(info, mi.CollectionType):
        types = [info.item_type] * len(data)
    elif isinstance(info, mi.TupleType):
        types = list(info.item_types)
    else:
        return None
    if not any(_has_checked(item_type) for item_type in types[:1] or ()) and not isinstance(
        info, mi.TupleType
    ):
        return None
    for index, (item_type, item) in enumerate(zip(types, data, strict=False)):
        found = _find(item_type, item, f"{path}[{index}]")
        if found is not None:
            return found
    return None


def _choose(declared: mi.Type, data: object) -> mi.Type | None:
    """Pick the member of a union that *data* was read as; None when that is not plain."""
    info = strip(declared)
    if not isinstance(info, mi.UnionType):
        return info
    wanted = _MAPPINGS if isinstance(data, dict) else (mi.CollectionType, mi.TupleType)
    fitting = [member for member in map(strip, info.types) if isinstance(member, wanted)]
    return fitting[0] if len(fitting) == 1 else None
