"""Arguments and results of HTTP requests."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any, Literal, NotRequired, TypedDict

import msgspec
import pydantic
import pytest

from dynamo_core.errors import InvalidRequestError
from dynamo_core.values import MalformedRequestError


@dataclasses.dataclass
class Point:
    x: int
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Shape:
    points: list[Point]
    named: dict[str, Point | None] = dataclasses.field(default_factory=dict)
    pair: tuple[Point, int] | None = None


class Model(pydantic.BaseModel):
    x: int
    y: float = 0.0
    tags: list[str] = []


class StrictModel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)

    when: datetime.datetime


@dataclasses.dataclass
class Wrapper:
    model: Model


class Options(TypedDict):
    x: int
    note: NotRequired[str]


class Event(msgspec.Struct, rename="camel"):
    event_name: str


def problems_of(codec: Any, body: bytes, query: Any = None) -> dict[str, str]:
    """Read a request that must be refused, and give what was found."""
    with pytest.raises(InvalidRequestError) as caught:
        codec.decode_json_arguments(body, query)
    return dict(caught.value.problems)


@pytest.mark.parametrize("model", [Point, Model, Options])
def test_only_parameter_of_a_model_type_is_the_body(make_codec, model):
    codec = make_codec(request=model)
    assert codec.takes_model_as_body
    assert codec.decode_json_arguments(b' {"x": 1} ', None) == {"request": model(x=1)}


def test_other_parameters_are_an_object_by_name(make_codec):
    codec = make_codec(point=Point, number=int, data=(bytes, b""))
    assert not codec.takes_model_as_body
    body = b'{"number":2,"point":{"x":1},"data":"/w=="}'
    assert codec.decode_json_arguments(body, None) == {"point": Point(1), "number": 2, "data": b"\xff"}


def test_optional_model_is_the_body_too(make_codec):
    codec = make_codec(request=(Point | None, None))
    assert codec.decode_json_arguments(b"", None) == {}
    assert codec.decode_json_arguments(b"null", None) == {"request": None}
    assert codec.decode_json_arguments(b'{"x":1}', None) == {"request": Point(1)}


@pytest.mark.parametrize("annotation", [list[Point], dict, int, Any, list[Model], Point | int])
def test_what_is_no_model_is_given_by_name(make_codec, annotation):
    assert not make_codec(request=annotation).takes_model_as_body


def test_empty_body_is_no_arguments(make_codec):
    assert make_codec().decode_json_arguments(b"", None) == {}
    assert make_codec(a=(int, 1)).decode_json_arguments(b" \n", None) == {}
    assert problems_of(make_codec(a=int, b=str), b"") == {"a": "missing", "b": "missing"}
    assert problems_of(make_codec(a=Point), b"") == {"a": "missing: the body is empty"}


def test_every_bad_parameter_is_named(make_codec):
    codec = make_codec(a=int, b=list[int], c=Model, d=str)
    assert problems_of(codec, b'{"a":"1","b":[1,null],"c":{"x":"q"},"q":1}') == {
        "a": "expected `int`, got `str`",
        "b": "expected `int`, got `null` (at b[1])",
        "c": "x: Input should be a valid integer, unable to parse string as an integer",
        "d": "missing",
        "q": "unknown parameter; known: a, b, c, d",
    }


def test_model_may_be_its_json_text_inside_the_document(make_codec):
    codec = make_codec(a=Point, b=Model)
    body = b'{"a":"{\\"x\\":1}","b":"{\\"x\\":2}"}'
    assert codec.decode_json_arguments(body, None) == {"a": Point(1), "b": Model(x=2)}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"points":[],"bogus":1}', "Shape has no field 'bogus' (at request)"),
        (b'{"points":[{"x":1},{"x":1,"y":2}]}', "Point has no field 'y' (at request.points[1])"),
        (
            b'{"points":[],"named":{"a":null,"b":{"x":1,"z":2}}}',
            "Point has no field 'z' (at request.named.b)",
        ),
        (b'{"points":[],"pair":[{"x":1,"q":1},2]}', "Point has no field 'q' (at request.pair[0])"),
    ],
)
def test_unknown_field_of_a_dataclass_is_refused(make_codec, body, path):
    assert path in problems_of(make_codec(request=Shape), body)["request"]


def test_unknown_field_of_a_typed_dict_is_refused(make_codec):
    assert (
        "Options has no field 'z'"
        in problems_of(make_codec(a=Options, b=int), b'{"a":{"x":1,"z":1},"b":1}')["a"]
    )


def test_structs_and_pydantic_models_decide_themselves_about_unknown_fields(make_codec):
    assert make_codec(request=Model).decode_json_arguments(b'{"x":1,"z":2}', None) == {"request": Model(x=1)}
    assert make_codec(request=Event).decode_json_arguments(b'{"eventName":"a","z":2}', None) == {
        "request": Event("a")
    }


def test_strict_model_reads_json_as_json(make_codec):
    when = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    text = b'{"when":"2026-01-02T00:00:00Z"}'
    assert make_codec(a=StrictModel).decode_json_arguments(text, None) == {"a": StrictModel(when=when)}
    both = make_codec(a=StrictModel, b=int)
    assert both.decode_json_arguments(b'{"b":1,"a":' + text + b"}", None)["a"] == StrictModel(when=when)


@pytest.mark.parametrize("model", [Point, Model, dict, Any])
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"x":}',
        b"nonsense",
        b'{"x":NaN}',
        b'{"x":1,"y":Infinity}',
        b"{'x':1}",
        b'{"x":1}}',
        b"\xff",
        b"\x80\x04",
    ],
)
def test_body_that_is_not_json_is_malformed(make_codec, model, body):
    with pytest.raises(MalformedRequestError):
        make_codec(request=model).decode_json_arguments(body, None)


def test_containers_of_models_are_read_by_name(make_codec):
    codec = make_codec(a=list[Model], b=dict[str, Point | None], c=list[Model | Point])
    body = b'{"a":[{"x":1}],"b":{"k":{"x":2},"n":null},"c":[{"x":3}]}'
    arguments = codec.decode_json_arguments(body, None)
    assert arguments["a"] == [Model(x=1)]
    assert arguments["b"] == {"k": Point(2), "n": None}
    assert arguments["c"][0].x == 3


def test_model_inside_a_lone_dataclass_is_read(make_codec):
    codec = make_codec(request=Wrapper)
    assert codec.decode_json_arguments(b'{"model":{"x":1}}', None) == {"request": Wrapper(Model(x=1))}


def test_any_number_of_unknown_parameters_is_not_repeated(make_codec):
    body = b"{" + b",".join(b'"k%d":1' % number for number in range(10_000)) + b"}"
    assert len(problems_of(make_codec(a=int, b=int), body)) == 102


@pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"null"])
def test_body_that_is_no_object_is_refused(make_codec, body):
    assert problems_of(make_codec(a=int, b=int), body) == {"body": "must be an object of parameters by name"}


HOSTILE = {
    "lists": b"[" * 100_000 + b"]" * 100_000,
    "unclosed lists": b"[" * 100_000,
    "objects": b'{"x":' * 100_000 + b"1" + b"}" * 100_000,
    "digits": b"9" * 100_000,
    "negative digits": b"-" + b"9" * 100_000,
    "past 64 bits": b"99999999999999999999",
    "exponent": b"1e999",
    "bad UTF-8": b'"\xff\xfe"',
    "half a surrogate": b'"\\ud800"',
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("annotation", [Any, list[Any], dict, int, float, Point, Model, Shape])
def test_hostile_value_names_its_parameter(make_codec, kind, annotation):
    if annotation is float and kind == "past 64 bits":
        pytest.skip("a float may be written like that")
    codec = make_codec(other=int, bad=annotation)
    problems = problems_of(codec, b'{"other":1,"bad":' + HOSTILE[kind] + b"}")
    assert set(problems) <= {"bad", "body"}
    if kind in {"lists", "objects", "unclosed lists"}:
        assert set(problems) == {"bad"}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("model", [Point, Model])
def test_hostile_field_names_the_only_parameter(make_codec, kind, model):
    codec = make_codec(request=model)
    assert set(problems_of(codec, b'{"x":' + HOSTILE[kind] + b"}")) == {"request"}


def test_query_texts_are_converted_by_annotation(make_codec):
    codec = make_codec(
        a=int,
        b=float,
        c=bool,
        d=list[int],
        e=str,
        f=(int | None, 1),
        g=bytes,
        h=datetime.date,
        i=Literal["x"],
        j=Any,
    )
    query = {
        "a": ["1"], "b": ["2"], "c": ["true"], "d": ["1", "2"], "e": ["5"],
        "f": ["null"], "g": ["/w=="], "h": ["2026-01-02"], "i": ["x"], "j": ["7"],
    }  # fmt: skip
    assert codec.decode_json_arguments(b"", query) == {
        "a": 1,
        "b": 2.0,
        "c": True,
        "d": [1, 2],
        "e": "5",
        "f": None,
        "g": b"\xff",
        "h": datetime.date(2026, 1, 2),
        "i": "x",
        "j": "7",
    }


def test_bad_query_parameters_are_all_named(make_codec):
    codec = make_codec(a=int, b=int, c=int, d=dict)
    problems = problems_of(codec, b"", {"a": ["x"], "b": ["1", "2"], "q": ["1"], "d": ["{"]})
    assert problems["b"] == "given 2 times, takes one value"
    assert set(problems) == {"a", "b", "c", "d", "q"}


def test_models_and_mappings_in_a_query_are_json_text(make_codec):
    codec = make_codec(a=Point, b=Model, c=dict)
    query = {"a": ['{"x":1}'], "b": ['{"x":2}'], "c": ['{"k":[1]}']}
    assert codec.decode_json_arguments(b"", query) == {"a": Point(1), "b": Model(x=2), "c": {"k": [1]}}


@pytest.mark.parametrize("model", [Point, Model])
def test_fields_of_the_only_model_may_be_the_query(make_codec, model):
    codec = make_codec(request=model)
    expected = {"request": model(x=1, tags=["a"])}
    assert codec.decode_json_arguments(b"", {"x": ["1"], "tags": ["a"]}) == expected
    assert codec.decode_json_arguments(b"", {"request": ['{"x":1,"tags":["a"]}']}) == expected
    assert set(problems_of(codec, b"", {"x": ["q"]})) == {"request"}


def test_body_and_query_must_not_give_the_same_parameter(make_codec):
    codec = make_codec(a=int, b=int)
    assert codec.decode_json_arguments(b'{"a":1}', {"b": ["2"]}) == {"a": 1, "b": 2}
    assert problems_of(codec, b'{"a":1,"b":1}', {"b": ["2"]}) == {"b": "given in the body and in the query"}
    assert set(problems_of(make_codec(a=Point), b'{"x":1}', {"q": ["2"]})) == {"q"}


def test_bytes_are_base64_in_documents_only(make_codec):
    codec = make_codec(dict, data=bytes)
    assert codec.encode_json_result({"a": b"\xff"}) == b'{"a":"/w=="}'
    assert codec.decode_json_arguments(b'{"data":"/w=="}', None) == {"data": b"\xff"}
    assert codec.decode_result(codec.encode_result({"a": b"\xff"})) == {"a": b"\xff"}
    assert set(problems_of(codec, b'{"data":"?"}')) == {"data"}


def test_bytes_alone_are_marked_for_http(make_codec):
    codec = make_codec(bytes, data=bytes)
    assert codec.takes_bytes_as_body
    assert codec.gives_bytes
    codec = make_codec(bytes | None, data=bytes, more=bytes)
    assert not codec.takes_bytes_as_body
    assert not codec.gives_bytes


def test_results_and_items_are_json(make_codec):
    codec = make_codec(Model)
    assert codec.encode_json_result(Model(x=1)) == b'{"x":1,"y":0.0,"tags":[]}'
    assert codec.encode_json_item(Model(x=1)) == codec.encode_json_result(Model(x=1))
    assert make_codec(list[Model]).encode_json_result([Model(x=1)]) == b'[{"x":1,"y":0.0,"tags":[]}]'
    assert make_codec(None).encode_json_result(None) == b"null"
