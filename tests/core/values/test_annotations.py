"""Which annotations can be used, and what an unusable one says."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NewType, TypeVar

import attrs
import msgspec
import pydantic
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dynamo_core.errors import UnsupportedValueError
from dynamo_core.values import UnusableAnnotationError

T = TypeVar("T")
UserId = NewType("UserId", int)


class Plain:
    pass


@dataclasses.dataclass
class WithCallback:
    name: str
    callback: Callable[[], None]


@dataclasses.dataclass
class WithNumberKeys:
    table: list[dict[int, str]]


@dataclasses.dataclass
class Left:
    value: int


@dataclasses.dataclass
class Right:
    value: int


@attrs.define
class Private:
    _token: str


@attrs.define
class Cached:
    value: int
    _cache: int = attrs.field(init=False, default=0)


@dataclasses.dataclass
class WithInitVar:
    value: dataclasses.InitVar[int]


@pytest.mark.parametrize(
    ("annotation", "fact"),
    [
        (dict[int, str], "keys of mappings must be text"),
        (list[dict[bytes, int]], "keys of mappings must be text"),
        (Plain, "Plain is no value type"),
        (list[Plain], "Plain is no value type"),
        (Plain | None, "Plain is no value type"),
        (Callable, "Callable is no value type"),
        (Callable[[int], str], "Callable is no value type"),
        (Iterator[int], "Iterator is no value type"),
        (complex, "complex is no value type"),
        (type, "type is no value type"),
        (io.BytesIO, "BytesIO is no value type"),
        (Request, "Request is no value type"),
        (WithCallback, "callback: Callable is no value type"),
        (WithNumberKeys, "table: keys of mappings must be text"),
        (Left | Right, "Type unions may not contain more than one"),
        (bytes | str, "str-like"),
        ("Missing", "Missing"),
        (Private, "'_token' of Private starts with '_'"),
        (WithInitVar, "InitVar"),
        (ClassVar[int], "ClassVar"),
        (type[int], "type is no value type"),
        (msgspec.Raw, "Raw is no value type"),
    ],
)
def test_unusable_annotation_says_why(make_codec, annotation, fact):
    with pytest.raises(UnusableAnnotationError) as caught:
        make_codec(number=int, request=annotation)
    assert caught.value.parameter == "request"
    assert fact in caught.value.message
    with pytest.raises(UnusableAnnotationError) as caught:
        make_codec(annotation)
    assert caught.value.parameter == "result"


@pytest.mark.parametrize("annotation", [Any, object, T, UserId, Cached, dict, Left | None, Left | int])
def test_usable_annotations(make_codec, annotation):
    make_codec(
        list if annotation == "list" else annotation, request=list if annotation == "list" else annotation
    )


def test_pydantic_model_that_is_not_defined_yet_is_reported(make_codec):
    class Unfinished(pydantic.BaseModel):
        value: NoSuchType  # noqa: F821  # that is the point

    with pytest.raises(UnusableAnnotationError, match="NoSuchType"):
        make_codec(request=list[Unfinished])


def test_forward_reference_that_cannot_be_resolved_is_reported(make_codec):
    @dataclasses.dataclass
    class Dangling:
        value: NoSuchType  # noqa: F821  # that is the point

    with pytest.raises(UnusableAnnotationError, match="NoSuchType"):
        make_codec(request=Dangling)


def test_responses_are_left_to_http(make_codec):
    assert make_codec(Response).decode_result(make_codec(Response).encode_result(1)) == 1
    codec = make_codec(dict[str, int] | JSONResponse)
    assert codec.decode_result(codec.encode_result({"a": 1})) == {"a": 1}
    with pytest.raises(UnsupportedValueError, match="JSONResponse"):
        codec.encode_result(JSONResponse({}))


def test_importing_values_does_not_import_pydantic():
    code = (
        "import sys, dataclasses\n"
        "from dynamo_core.values import EndpointCodec\n"
        "from dynamo_core.definition import *\n"
        "from typing import Any\n"
        "@dataclasses.dataclass\n"
        "class Model:\n    x: int\n"
        "for kind in (Model, Any, dict, Model | None):\n"
        "    endpoint = EndpointDefinition(name='e', attribute='e', kind=EndpointKind.UNARY,"
        " parameters=(ParameterDefinition(name='p', annotation=kind),), result=kind)\n"
        "    codec = EndpointCodec('S', endpoint)\n"
        "    codec.decode_arguments(codec.encode_arguments(({'x': 1},), {}))\n"
        "    codec.body_schema()\n"
        "print('pydantic' in sys.modules, 'pydantic_core' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.split() == ["False", "False"]
