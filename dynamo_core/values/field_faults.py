"""Everything that is wrong with the fields of one model, where msgspec stops at the first.

It is looked for only once reading has failed: each field is read again by itself.
"""

from __future__ import annotations

import functools
import typing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from msgspec import inspect as mi

from dynamo_core.values.errors import ReadError
from dynamo_core.values.kinds import analyse, members
from dynamo_core.values.reading import ValueReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FIELDED: Final = (mi.DataclassType, mi.TypedDictType, mi.StructType)
_MAX_LISTED: Final = 20

_split_json: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_split_wire: Final = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode


class _Field(NamedTuple):
    name: str
    is_required: bool
    reader: ValueReader


def describe_fields(
    info: mi.Type, payload: bytes | bytearray | memoryview, problem: ReadError, *, is_json: bool
) -> ReadError:
    """*problem*, or one that names every field of *payload* that does not fit, if there are several.

    Args:
        info: msgspec's description of the model.
        payload: The value, as it came.
        problem: What is known to be wrong with it.
        is_json: Whether it is JSON, and not msgpack.
    """
    if problem.faults:
        return problem
    fielded = [each for each in members(info) if isinstance(each, _FIELDED)]
    if len(fielded) != 1:
        return problem
    (model,) = fielded
    try:
        given = _split_json(bytes(payload)) if is_json else _split_wire(payload)
        faults = tuple(_find_faults(_fields_of(model.cls), given, is_json=is_json))
        if is_json and not isinstance(model, mi.StructType):
            faults += tuple(_find_unknown(model, given))
    except Exception:  # noqa: BLE001  # models of the user take part; what is known already is enough
        return problem
    return ReadError(_listed(faults), faults=faults) if len(faults) > 1 else problem


def _find_faults(
    fields: tuple[_Field, ...], given: Mapping[str, msgspec.Raw], *, is_json: bool
) -> Iterator[str]:
    for field in fields:
        raw = given.get(field.name)
        if raw is None:
            if field.is_required:
                yield f"{field.name}: missing"
            continue
        try:
            field.reader.from_json(bytes(raw)) if is_json else field.reader.from_wire(bytes(raw))
        except ReadError as exc:
            if exc.faults:
                yield from (f"{field.name}.{fault}" for fault in exc.faults)
            else:
                yield f"{field.name}: {exc}"


def _find_unknown(model: Any, given: Mapping[str, msgspec.Raw]) -> Iterator[str]:
    known = {field.encode_name for field in model.fields}
    yield from (f"{name[:80]}: no such field" for name in given if name not in known)


@functools.lru_cache(maxsize=256)
def _fields_of(model: type) -> tuple[_Field, ...]:
    hints = typing.get_type_hints(model, include_extras=True)
    (info,) = [each for each in members(mi.type_info(model)) if isinstance(each, _FIELDED)]
    return tuple(
        _Field(
            field.encode_name,
            field.required,
            ValueReader(analyse(field.encode_name, _plain(hints[field.name]))),
        )
        for field in info.fields
    )


def _plain(annotation: Any) -> Any:
    """What a field of a TypedDict is annotated with, less whether it must be there."""
    if typing.get_origin(annotation) in {typing.Required, typing.NotRequired}:
        return typing.get_args(annotation)[0]
    return annotation


def _listed(faults: tuple[str, ...]) -> str:
    more = f"; and {len(faults) - _MAX_LISTED} more" if len(faults) > _MAX_LISTED else ""
    return f"{'; '.join(faults[:_MAX_LISTED])}{more}"
