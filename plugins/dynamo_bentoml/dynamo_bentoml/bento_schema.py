"""BentoML's descriptions of an endpoint's input and output, made from core's schemas.

BentoML derives them from annotations that pydantic understands; ours understand more. So it is given models whose
fields take anything and carry the schema that core has, and what comes in is checked by core's codec.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, Field, RootModel, WithJsonSchema, create_model

if TYPE_CHECKING:
    from dynamo_core.values import EndpointCodec

_PREFIX: Final = "#/components/schemas/"
_DEEPEST: Final = 6


class _Missing:
    """Stands for a parameter that was left out."""


MISSING: Final = _Missing()


def make_input(codec: EndpointCodec) -> tuple[type[BaseModel], dict[str, str]]:
    """A model of an endpoint's parameters.

    Its fields have names of their own, so that no parameter's name meets one of pydantic's or BentoML's.

    Returns:
        The model, and the parameter of each field.
    """
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    for number, (name, schema) in enumerate(codec.parameter_schemas().items()):
        parameter = next(each for each in codec.endpoint.parameters if each.name == name)
        field = f"p{number}"
        names[field] = name
        options: dict[str, Any] = {} if parameter.is_required else {"default_factory": _missing}
        fields[field] = (
            Annotated[Any, WithJsonSchema(_inlined(schema))],
            Field(alias=name, title=name, **options),
        )
    return create_model("Input", **fields), names


def make_output(codec: EndpointCodec) -> type[BaseModel]:
    """A model of what an endpoint gives, or of one item of its stream."""
    schema = _inlined(codec.result_schema())
    model: type[BaseModel] = create_model(
        "Output", __base__=RootModel[Annotated[Any, WithJsonSchema(schema)]]
    )
    return model


def _missing() -> object:
    return MISSING


def _inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """*schema* with what it refers to in place of the references; recursive types end in anything at all."""
    definitions = schema.get("$defs", {})

    def inline(part: Any, depth: int) -> Any:
        if isinstance(part, list):
            return [inline(each, depth) for each in part]
        if not isinstance(part, Mapping):
            return part
        name = part.get("$ref", "")
        if isinstance(name, str) and name.startswith(_PREFIX):
            found = definitions.get(name.removeprefix(_PREFIX))
            return inline(found, depth + 1) if found is not None and depth < _DEEPEST else {}
        return {key: inline(value, depth) for key, value in part.items() if key != "$defs"}

    whole: dict[str, Any] = inline(schema, 0)
    return whole
