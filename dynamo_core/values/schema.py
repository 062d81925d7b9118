"""JSON Schema (draft 2020-12, as OpenAPI 3.1 has it) of parameters and results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from dynamo_core.values.encoding import TEXT_TYPES, encode_json
from dynamo_core.values.kinds import ValueType, make_model_reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Schema = dict[str, Any]
Mode = Literal["validation", "serialization"]

_PREFIX: Final = "#/components/schemas/"
_TEMPLATE: Final = _PREFIX + "{name}"
_PYDANTIC_TEMPLATE: Final = _PREFIX + "{model}"


class SchemaBook:
    """Schemas of named types, gathered over any number of endpoints.

    References point into ``#/components/schemas/``; two types of one name get different names.

    Attributes:
        components: Schema by name, for ``components.schemas`` of an OpenAPI document.
    """

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._originals: dict[str, Schema] = {}

    def add(self, value_type: ValueType, mode: Mode) -> Schema:
        """Give the schema of *value_type*, and gather what it refers to.

        Args:
            value_type: An analysed annotation.
            mode: ``validation`` for what is read, ``serialization`` for what is sent.
        """
        definitions: dict[str, Schema] = {}

        def describe_class(cls: type) -> Schema:
            return _describe_class(cls, value_type, mode, definitions)

        (schema,), found = msgspec.json.schema_components(
            (value_type.form,), schema_hook=describe_class, ref_template=_TEMPLATE
        )
        return self._merge(schema, {**found, **definitions})

    def _merge(self, schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
        renamed: dict[str, str] = {}
        for name, definition in definitions.items():
            renamed[_PREFIX + name] = _PREFIX + self._place(name, definition)
        for name, definition in definitions.items():
            self.components[renamed[_PREFIX + name].removeprefix(_PREFIX)] = _rename(definition, renamed)
        whole: Schema = _rename(schema, renamed)
        return whole

    def _place(self, name: str, definition: Schema) -> str:
        candidate, number = name, 1
        while self._originals.setdefault(candidate, definition) != definition:
            number += 1
            candidate = f"{name}_{number}"
        return candidate


def _describe_class(cls: type, value_type: ValueType, mode: Mode, definitions: dict[str, Schema]) -> Schema:
    if issubclass(cls, TEXT_TYPES):
        return {"type": "string"}
    if cls is object:
        return {"description": "any value"}
    is_whole = value_type.pydantic is not None and cls is value_type.form
    reader = value_type.pydantic if is_whole else make_model_reader(cls)
    assert reader is not None
    schema = reader.schema(_PYDANTIC_TEMPLATE, mode)
    definitions.update(schema.pop("$defs", {}))
    if "$ref" in schema or not hasattr(cls, "model_fields"):
        return schema
    definitions[cls.__name__] = schema
    return {"$ref": _PREFIX + cls.__name__}


def _rename(part: Any, renamed: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {
            key: renamed.get(value, value)
            if key == "$ref" and isinstance(value, str)
            else {tag: renamed.get(ref, ref) for tag, ref in value.items()}
            if key == "mapping"
            and isinstance(value, dict)
            and all(isinstance(ref, str) for ref in value.values())
            else _rename(value, renamed)
            for key, value in part.items()
        }
    if isinstance(part, list):
        return [_rename(item, renamed) for item in part]
    return part


def describe_object(properties: Mapping[str, Schema], required: Iterable[str], title: str) -> Schema:
    """Describe a body that is an object of parameters by name."""
    return {
        "title": title,
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def with_default(schema: Schema, default: object) -> Schema:
    """Add *default* to *schema*, when it has a JSON form."""
    try:
        value = msgspec.json.decode(encode_json(default))
    except Exception:  # noqa: BLE001  # a default that cannot be shown is left out
        return schema
    if "$ref" in schema:
        return {"allOf": [schema], "default": value}
    return {**schema, "default": value}
