"""Models of every kind, over the wire and as JSON."""
# pydantic reads the annotations when the tests run

from __future__ import annotations

import collections
import dataclasses
import datetime
import ipaddress
import pathlib
import re
import uuid
from typing import Annotated, Any, NotRequired, TypedDict

import attrs
import msgspec
import pydantic
import pytest

from dynamo_core.errors import InvalidRequestError, UnsupportedValueError


@dataclasses.dataclass
class DataclassModel:
    prompt: str
    limit: int = 16
    stop: list[str] = dataclasses.field(default_factory=list)


@attrs.define
class AttrsModel:
    prompt: str
    limit: int = attrs.field(default=16, validator=attrs.validators.gt(0))
    stop: list[str] = attrs.field(factory=list)


class StructModel(msgspec.Struct):
    prompt: str
    limit: int = 16
    stop: list[str] = []


class PydanticModel(pydantic.BaseModel):
    prompt: str
    limit: int = 16
    stop: list[str] = []


class TypedDictModel(TypedDict):
    prompt: str
    limit: NotRequired[int]
    stop: NotRequired[list[str]]


class ImageModel(pydantic.BaseModel):
    images: list[bytes]


class StrictModel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    when: datetime.datetime
    ident: uuid.UUID
    sizes: tuple[int, ...]
    tags: set[str]

    @pydantic.computed_field  # type: ignore[prop-decorator]  # pydantic's own pattern
    @property
    def total(self) -> int:
        return sum(self.sizes)


class AliasedModel(pydantic.BaseModel):
    first: int = pydantic.Field(alias="FIRST")
    second: int = pydantic.Field(1, validation_alias="in", serialization_alias="out")


class TextRoot(pydantic.RootModel[str]):
    pass


class ExoticModel(pydantic.BaseModel):
    secret: pydantic.SecretStr
    path: pathlib.Path
    address: ipaddress.IPv4Address
    url: pydantic.HttpUrl
    recent: collections.deque[int]
    raw: bytes
    bias: dict[int, float]


class TreeModel(pydantic.BaseModel):
    value: int
    children: list[TreeModel] = []


@dataclasses.dataclass
class Tree:
    value: int
    children: list[Tree] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Holder:
    model: PydanticModel
    choice: list[PydanticModel | ImageModel]


@pydantic.dataclasses.dataclass
class CheckedDataclass:
    limit: int = pydantic.Field(gt=0)


CLASSES = [DataclassModel, AttrsModel, StructModel, PydanticModel]


def pass_argument(codec: Any, value: object) -> object:
    """Send *value* as the only argument."""
    return codec.decode_arguments(codec.encode_arguments((value,), {}))["request"]


def pass_result(codec: Any, value: object) -> object:
    """Send *value* as the result."""
    return codec.decode_result(codec.encode_result(value))


@pytest.mark.parametrize("model", CLASSES)
def test_model_arrives_as_an_equal_instance(make_codec, model):
    codec = make_codec(model, request=model)
    value = model(prompt="hi", limit=3, stop=["."])
    for received in (pass_argument(codec, value), pass_result(codec, value)):
        assert type(received) is model
        assert received == value


@pytest.mark.parametrize("model", [*CLASSES, TypedDictModel])
@pytest.mark.parametrize(
    "given",
    [{"prompt": "hi", "stop": ["."]}, '{"prompt":"hi","stop":["."]}', ' {"stop":["."],"prompt":"hi"}\n'],
)
def test_model_may_be_given_as_mapping_or_as_json_text(make_codec, model, given):
    codec = make_codec(model, request=model)
    expected = model(prompt="hi", stop=["."])
    assert pass_argument(codec, given) == expected
    assert pass_result(codec, given) == expected
    document = codec.encode_json_result(given)
    assert msgspec.json.decode(document) == msgspec.json.decode(codec.encode_json_result(expected))


@dataclasses.dataclass
class Nested:
    first: DataclassModel
    number: int = 3
    rest: list[DataclassModel] = dataclasses.field(default_factory=list)
    named: dict[str, DataclassModel | None] = dataclasses.field(default_factory=dict)
    pair: tuple[int, DataclassModel] | None = None
    last: int = 4
    inner: Nested | None = None


def test_dataclass_that_was_received_has_all_its_fields(make_codec):
    """msgspec leaves plain defaults to the class, and then out of what it encodes."""
    one = {"prompt": "a"}
    given = {
        "first": one,
        "rest": [one],
        "named": {"x": one, "y": None},
        "pair": [1, one],
        "inner": {"first": one},
    }
    expected = make_codec(Nested).encode_json_result(
        Nested(
            DataclassModel("a"),
            rest=[DataclassModel("a")],
            named={"x": DataclassModel("a"), "y": None},
            pair=(1, DataclassModel("a")),
            inner=Nested(DataclassModel("a")),
        )
    )
    codec = make_codec(Nested, request=Nested)
    others = make_codec(list[Nested], request=Nested, more=list[Nested])
    received = [
        pass_argument(codec, given),
        pass_argument(codec, msgspec.json.encode(given).decode()),
        pass_result(codec, given),
        codec.decode_items(codec.encode_items([given]))[0],
        codec.decode_json_arguments(msgspec.json.encode(given), None)["request"],
        others.decode_arguments(others.encode_arguments((given, [given]), {}))["more"][0],
    ]
    for value in received:
        assert codec.encode_json_result(value) == expected


@pytest.mark.parametrize("model", [*CLASSES, TypedDictModel])
@pytest.mark.parametrize("is_text", [False, True])
def test_every_field_that_does_not_fit_is_named(make_codec, model, is_text):
    """As pydantic does, with every kind of model, over the wire and as JSON."""
    given = {"limit": "many", "stop": ["a", 1]}
    text = msgspec.json.encode(given).decode()
    codec = make_codec(request=model)
    with pytest.raises(InvalidRequestError) as wire:
        pass_argument(codec, text if is_text else given)
    with pytest.raises(InvalidRequestError) as document:
        codec.decode_json_arguments(text.encode(), None)
    for caught in (wire, document):
        told = caught.value.problems["request"]
        for field in ("prompt", "limit", "stop"):
            assert re.search(rf"(^|; ){field}[.:]", told), told


def test_fields_of_inner_models_are_named_by_their_path(make_codec):
    """And so are those that a document has too many."""
    codec = make_codec(request=Nested)
    given = {"first": {"limit": "many"}, "number": None, "numbr": 4}
    with pytest.raises(InvalidRequestError) as caught:
        codec.decode_json_arguments(msgspec.json.encode(given), None)
    assert caught.value.problems["request"] == (
        "first.prompt: missing; first.limit: expected `int`, got `str`; number: expected `int`, got `null`; "
        "numbr: no such field"
    )


@pytest.mark.parametrize("model", [*CLASSES, TypedDictModel])
def test_text_that_is_not_json_says_what_was_wanted(make_codec, model):
    codec = make_codec(request=model)
    with pytest.raises(InvalidRequestError) as caught:
        pass_argument(codec, "hello")
    assert caught.value.problems == {
        "request": f"expected {model.__name__} as a mapping or as its JSON text, got text that is not JSON"
    }


@pytest.mark.parametrize("model", [*CLASSES, TypedDictModel])
@pytest.mark.parametrize("given", [{"prompt": 7}, {"limit": 3}, '{"prompt":7}', 5, None, [1]])
def test_model_that_does_not_fit_names_the_parameter(make_codec, model, given):
    codec = make_codec(request=model)
    with pytest.raises(InvalidRequestError) as caught:
        pass_argument(codec, given)
    assert set(caught.value.problems) == {"request"}


def test_validator_of_an_attrs_class_is_heard(make_codec):
    codec = make_codec(request=AttrsModel)
    with pytest.raises(InvalidRequestError, match="'limit' must be > 0"):
        pass_argument(codec, {"prompt": "hi", "limit": 0})


def test_every_error_of_a_pydantic_model_is_listed_without_its_values(make_codec):
    codec = make_codec(request=PydanticModel)
    with pytest.raises(InvalidRequestError) as caught:
        pass_argument(codec, {"limit": "secret", "stop": [1]})
    message = caught.value.problems["request"]
    assert "prompt: Field required" in message
    assert "limit: Input should be a valid integer" in message
    assert "stop.0: Input should be a valid string" in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (list[PydanticModel], [PydanticModel(prompt="a")]),
        (PydanticModel | None, PydanticModel(prompt="a")),
        (PydanticModel | None, None),
        (dict[str, PydanticModel], {"x": PydanticModel(prompt="a")}),
        (dict[str, list[PydanticModel | None]], {"x": [None, PydanticModel(prompt="a")]}),
        (PydanticModel | ImageModel, ImageModel(images=[b"\xff"])),
        (list[PydanticModel | ImageModel | int], [ImageModel(images=[]), PydanticModel(prompt="a"), 3]),
        (tuple[PydanticModel, int], (PydanticModel(prompt="a"), 1)),
        (CheckedDataclass, CheckedDataclass(limit=1)),
        (Holder, Holder(PydanticModel(prompt="a"), [ImageModel(images=[])])),
        (list[DataclassModel], [DataclassModel("a")]),
        (DataclassModel | None, DataclassModel("a")),
        (Tree, Tree(1, [Tree(2)])),
        (TreeModel, TreeModel(value=1, children=[TreeModel(value=2)])),
    ],
)
def test_models_may_stand_inside_other_types(make_codec, annotation, value):
    codec = make_codec(annotation, request=annotation)
    assert pass_argument(codec, value) == value
    assert pass_result(codec, value) == value
    assert codec.decode_items(codec.encode_items([value, value])) == [value, value]


@pytest.mark.parametrize(
    "annotation", [PydanticModel | ImageModel, DataclassModel | None, PydanticModel | None]
)
def test_choice_of_models_takes_text_too(make_codec, annotation):
    codec = make_codec(request=annotation)
    assert pass_argument(codec, '{"prompt":"hi"}').prompt == "hi"


def test_limits_of_pydantic_fields_on_plain_parameters_hold(make_codec):
    codec = make_codec(request=Annotated[int, pydantic.Field(ge=3)])
    assert pass_argument(codec, 3) == 3
    with pytest.raises(InvalidRequestError, match="greater than or equal to 3"):
        pass_argument(codec, 2)


def test_pydantic_dataclass_keeps_its_checks(make_codec):
    with pytest.raises(InvalidRequestError, match="greater than 0"):
        pass_argument(make_codec(request=CheckedDataclass), {"limit": 0})


def test_strict_pydantic_model_arrives(make_codec):
    codec = make_codec(StrictModel, request=StrictModel)
    value = StrictModel(
        when=datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        ident=uuid.UUID(int=7),
        sizes=(1, 2),
        tags={"a"},
    )
    assert pass_argument(codec, value) == value
    assert pass_result(codec, value) == value
    with pytest.raises(InvalidRequestError, match="sizes"):
        pass_argument(codec, {**value.model_dump(round_trip=True), "sizes": ["1"]})


def test_aliases_are_for_json_and_names_for_the_wire(make_codec):
    codec = make_codec(AliasedModel, request=AliasedModel)
    value = AliasedModel(**{"FIRST": 3, "in": 5})
    assert pass_argument(codec, value) == value
    assert pass_argument(codec, {"FIRST": 3, "in": 5}) == value
    assert msgspec.json.decode(codec.encode_json_result(value)) == {"FIRST": 3, "out": 5}
    assert codec.decode_json_arguments(b'{"FIRST":3,"in":5}', None) == {"request": value}


@pytest.mark.parametrize("text", ["abc", '{"x": 1}', '"quoted"', "[1]", "12"])
def test_text_of_a_root_model_is_its_value(make_codec, text):
    codec = make_codec(TextRoot, request=TextRoot)
    assert pass_argument(codec, TextRoot(text)) == TextRoot(text)
    assert pass_argument(codec, text) == TextRoot(text)


def test_types_that_only_pydantic_knows_keep_their_values(make_codec):
    codec = make_codec(ExoticModel, request=ExoticModel)
    value = ExoticModel(
        secret="s3",
        path="/a",
        address="1.2.3.4",
        url="http://x.y/",
        recent=[1],
        raw=b"\xff\x00",
        bias={7: 0.5},
    )
    assert pass_argument(codec, value) == value
    assert pass_result(codec, value) == value


def test_json_of_a_model_hides_its_secrets(make_codec):
    codec = make_codec(ExoticModel)
    value = ExoticModel(
        secret="s3", path="/a", address="1.2.3.4", url="http://x.y/", recent=[1], raw=b"ok", bias={7: 0.5}
    )
    assert b"s3" not in codec.encode_json_result(value)


def test_computed_fields_are_in_json_results(make_codec):
    value = StrictModel(
        when=datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        ident=uuid.UUID(int=7),
        sizes=(1, 2),
        tags={"a"},
    )
    assert msgspec.json.decode(make_codec(StrictModel).encode_json_result(value))["total"] == 3


def test_model_in_an_untyped_place_becomes_a_mapping(make_codec):
    codec = make_codec(dict, request=dict)
    value = {"a": [PydanticModel(prompt="x")], "b": DataclassModel("y"), "c": AttrsModel("z")}
    plain = {"limit": 16, "stop": []}
    expected = {"a": [{"prompt": "x", **plain}], "b": {"prompt": "y", **plain}, "c": {"prompt": "z", **plain}}
    assert pass_argument(codec, value) == expected
    assert msgspec.json.decode(codec.encode_json_result(value)) == expected


@pytest.mark.parametrize("model", CLASSES)
@pytest.mark.parametrize("value", [{"prompt": 3}, {"limit": 1}, 5, None, "not json"])
def test_result_that_is_no_such_model_is_refused_by_the_worker(make_codec, model, value):
    codec = make_codec(model)
    for encode in (codec.encode_result, codec.encode_json_result, lambda item: codec.encode_items([item])):
        with pytest.raises(UnsupportedValueError, match=f"declared to give {model.__name__}"):
            encode(value)


def test_subclass_of_the_declared_model_is_sent_as_the_declared_one(make_codec):
    @dataclasses.dataclass
    class Larger(DataclassModel):
        more: int = 1

    codec = make_codec(DataclassModel, request=DataclassModel)
    assert pass_result(codec, Larger("a")) == DataclassModel("a")
    assert pass_argument(codec, Larger("a")) == DataclassModel("a")


def test_model_that_contains_itself_is_refused(make_codec):
    tree, model = Tree(1), TreeModel(value=1)
    tree.children.append(tree)
    model.children.append(model)
    with pytest.raises(UnsupportedValueError, match=r"request\.children\[0\] contains itself"):
        make_codec(request=Tree).encode_arguments((tree,), {})
    with pytest.raises(UnsupportedValueError, match="request cannot be dumped by its model TreeModel"):
        make_codec(request=TreeModel).encode_arguments((model,), {})


def test_integer_past_64_bits_in_a_model_is_refused_with_its_path(make_codec):
    for model in CLASSES:
        with pytest.raises(UnsupportedValueError, match=r"request\.limit is an integer of 65 bits"):
            make_codec(request=model).encode_arguments((model(prompt="a", limit=2**64),), {})
