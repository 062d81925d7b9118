"""JSON Schema of bodies, parameters and results."""
# the annotations are read when the tests run

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import pydantic

from dynamo_core.values import SchemaBook


@dataclasses.dataclass
class Point:
    x: int


@dataclasses.dataclass
class Shape:
    points: list[Point]


@dataclasses.dataclass
class Anything:
    value: object
    path: pathlib.Path


class Uncalled(pydantic.BaseModel):
    function: Callable[[], int]


class Inner(pydantic.BaseModel):
    a: int


class Model(pydantic.BaseModel):
    inner: Inner
    choice: Inner | None = None


class Computed(pydantic.BaseModel):
    a: int

    @pydantic.computed_field  # type: ignore[prop-decorator]  # pydantic's own pattern
    @property
    def double(self) -> int:
        return self.a * 2


class Tree(pydantic.BaseModel):
    children: list[Tree] = []


def make_other_point() -> type:
    @dataclasses.dataclass
    class Point:
        other: str

    return Point


def references_of(part: Any) -> set[str]:
    """Collect every reference in a schema."""
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(references_of(value) for value in part.values()))
    if isinstance(part, list):
        return set().union(*(references_of(item) for item in part))
    return set()


def assert_closed(document: dict[str, Any]) -> None:
    """Check that every reference has its target, and that it all is JSON."""
    json.dumps(document)
    names = {reference.removeprefix("#/components/schemas/") for reference in references_of(document)}
    assert names <= set(document.get("$defs", {}))


def test_body_of_a_lone_model_is_a_reference(make_codec):
    for model in (Shape, Model, Tree):
        schema = make_codec(request=model).body_schema()
        assert schema["$ref"] == f"#/components/schemas/{model.__name__}"
        assert_closed(schema)


def test_body_by_name_lists_parameters_and_defaults(make_codec):
    schema = make_codec(a=int, b=(str, "x"), c=(Point, Point(3)), d=(Any, object())).body_schema()
    assert_closed(schema)
    assert schema["type"] == "object"
    assert schema["required"] == ["a"]
    assert schema["additionalProperties"] is False
    assert schema["properties"] == {
        "a": {"type": "integer"},
        "b": {"type": "string", "default": "x"},
        "c": {"allOf": [{"$ref": "#/components/schemas/Point"}], "default": {"x": 3}},
        "d": {},
    }


def test_models_inside_containers_are_references(make_codec):
    codec = make_codec(dict[str, list[Model | None]], a=list[Model], b=Model | Point)
    assert_closed(codec.body_schema())
    assert_closed(codec.result_schema())
    assert codec.result_schema()["additionalProperties"]["items"]["anyOf"][0] == {
        "$ref": "#/components/schemas/Model"
    }


def test_query_parameters_have_schemas_of_their_own(make_codec):
    schemas = make_codec(a=int, b=(bytes, b"\xff")).parameter_schemas()
    assert schemas == {
        "a": {"type": "integer"},
        "b": {"type": "string", "contentEncoding": "base64", "default": "/w=="},
    }


def test_result_has_what_is_computed(make_codec):
    codec = make_codec(Computed, request=Computed)
    book = SchemaBook()
    body, result = codec.body_schema(book), codec.result_schema(book)
    assert body != result
    names = [schema["$ref"].rpartition("/")[2] for schema in (body, result)]
    assert "double" not in book.components[names[0]]["properties"]
    assert "double" in book.components[names[1]]["properties"]


def test_two_types_of_one_name_stay_apart(make_codec):
    book = SchemaBook()
    first = make_codec(request=Shape).body_schema(book)
    second = make_codec(request=make_other_point()).body_schema(book)
    again = make_codec(request=Point).body_schema(book)
    assert first["$ref"].endswith("/Shape")
    assert second["$ref"].endswith("/Point_2")
    assert again["$ref"].endswith("/Point")
    assert set(book.components) == {"Shape", "Point", "Point_2"}
    assert set(book.components["Point_2"]["properties"]) == {"other"}


def test_book_gathers_without_repeating(make_codec):
    book = SchemaBook()
    for _ in range(3):
        assert "$defs" not in make_codec(Model, request=Model).body_schema(book)
        make_codec(Model).result_schema(book)
    assert "Inner" in book.components
    assert_closed({"$defs": book.components, "all": list(book.components.values())})


def test_untyped_values_have_the_open_schema(make_codec):
    assert make_codec(Any).result_schema() == {}
    assert make_codec(object).result_schema() == {}


def test_fields_without_a_schema_do_not_prevent_the_others(make_codec):
    codec = make_codec(Anything, request=Anything, model=Uncalled)
    assert_closed(codec.body_schema())
    assert_closed(codec.result_schema())
    assert "no JSON Schema" in json.dumps(codec.body_schema())
