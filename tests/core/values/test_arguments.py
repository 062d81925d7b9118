"""Binding arguments, and reading them on the worker's side."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import msgspec
import pytest

from dynamo_core.errors import InvalidRequestError, UnsupportedValueError

encode = msgspec.msgpack.encode


@dataclasses.dataclass
class Request:
    items: list[int]


def problems_of(function: Any, *arguments: Any) -> dict[str, str]:
    """Call *function*, which must refuse, and give what it found."""
    with pytest.raises(InvalidRequestError) as caught:
        function(*arguments)
    assert (caught.value.service, caught.value.endpoint) == ("Backend", "run")
    return dict(caught.value.problems)


def test_arguments_bind_by_position_and_by_name(make_codec):
    codec = make_codec(a=int, b=(str, "x"), c=(bytes, b""), keyword_only=("c",))
    for args, kwargs in [
        ((1, "y"), {"c": b"z"}),
        ((1,), {"b": "y", "c": b"z"}),
        ((), {"c": b"z", "a": 1, "b": "y"}),
    ]:
        assert codec.decode_arguments(codec.encode_arguments(args, kwargs)) == {"a": 1, "b": "y", "c": b"z"}


def test_defaults_are_left_out(make_codec):
    codec = make_codec(a=int, b=(str, "x"))
    payload = codec.encode_arguments((1,), {})
    assert msgspec.msgpack.decode(payload) == {"a": 1}
    assert codec.decode_arguments(payload) == {"a": 1}


def test_endpoint_without_parameters(make_codec):
    codec = make_codec()
    assert codec.decode_arguments(codec.encode_arguments((), {})) == {}
    assert problems_of(codec.encode_arguments, (1,), {}) == {
        "argument 1": "unexpected, takes 0 arguments by position"
    }


def test_every_binding_problem_is_named(make_codec):
    codec = make_codec(a=int, b=str, c=(int, 3), d=int, keyword_only=("d",))
    assert problems_of(codec.encode_arguments, (1, "x", 2, 4), {"a": 1, "z": 2}) == {
        "argument 4": "unexpected, takes 3 arguments by position",
        "a": "given by position and by name",
        "z": "unknown parameter; known: a, b, c, d",
        "d": "missing",
    }
    assert set(problems_of(codec.encode_arguments, (), {})) == {"a", "b", "d"}


@pytest.mark.parametrize("name", ["class", "self", "value", "name", "_x", "items"])
def test_any_python_name_may_be_a_parameter(make_codec, name):
    codec = make_codec(**{name: int})
    assert codec.decode_arguments(codec.encode_arguments((), {name: 1})) == {name: 1}


def test_more_parameters_than_a_short_map_holds(make_codec):
    codec = make_codec(**{f"p{index}": (int, 0) for index in range(40)})
    values = {f"p{index}": index for index in range(40)}
    assert codec.decode_arguments(codec.encode_arguments((), values)) == values
    assert set(problems_of(codec.decode_arguments, encode({**values, "q": 1}))) == {"q"}


def test_every_bad_parameter_is_named(make_codec):
    codec = make_codec(a=int, b=list[int], c=str, d=Request, e=(float, 1.0))
    payload = encode({"a": True, "b": [1, "x"], "d": {"items": [1, None]}, "q": 1, "e": "1"})
    assert problems_of(codec.decode_arguments, payload) == {
        "q": "unknown parameter; known: a, b, c, d, e",
        "c": "missing",
        "a": "expected `int`, got `bool`",
        "b": "expected `int`, got `str` (at b[1])",
        "d": "expected `int`, got `None` (at d.items[1])",
        "e": "expected `float`, got `str`",
    }


def test_unknown_parameter_alone_is_refused(make_codec):
    codec = make_codec(a=(int, 1))
    assert problems_of(codec.decode_arguments, encode({"q": 1})) == {"q": "unknown parameter; known: a"}


def test_payload_of_any_buffer_type_is_read(make_codec):
    codec = make_codec(a=int, b=str)
    payload = codec.encode_arguments((1, "x"), {})
    for buffer in (payload, bytearray(payload), memoryview(payload)):
        assert codec.decode_arguments(buffer) == {"a": 1, "b": "x"}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x81",
        b"\x93\x01\x02\x03",
        b"\xc0",
        b"\x81\x01\x02",
        b"\x81\xa1\xff\x01",
        b"\x82\xa1a\x01\xa1b\xa1\xff",
        b"\x82\xa1a\x01\xa1b\xd4\x05\x00",
        b"\xdf\xff\xff\xff\xff",
        b"\x82\xa1a\x01\xa1b\xdb\xff\xff\xff\xff",
        b"\x82\xa1a\x01\xa1b\xa1xjunk",
        b'{"a": 1}',
        b"\x80\x04\x95",
    ],
)
def test_payload_that_is_damaged_is_refused(make_codec, payload):
    assert problems_of(make_codec(a=int, b=str).decode_arguments, payload)


@pytest.mark.parametrize("annotation", [Any, list, dict, list[Any], Request, int, str])
@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa1k", b"\xdc\x00\x01", b"\xdf\x00\x00\x00\x01\xa1k"])
def test_hostile_depth_names_the_parameter(make_codec, annotation, opening):
    codec = make_codec(other=int, deep=annotation)
    payload = b"\x82\xa5other\xcd\x01\x00\xa4deep" + opening * 100_000 + b"\xc0"
    assert set(problems_of(codec.decode_arguments, payload)) == {"deep"}


def test_every_scalar_before_the_deep_one_is_passed_over(make_codec):
    codec = make_codec(first=Any, deep=Any)
    scalars = [
        None,
        True,
        1,
        200,
        70000,
        2**40,
        -5,
        -200,
        -70000,
        -(2**40),
        1.5,
        "x",
        "x" * 50,
        "x" * 300,
        b"y",
    ]
    scalars += [b"y" * 300, {"k": [1, {}]}, [], "z" * 70000, b"z" * 70000, msgspec.msgpack.Ext(5, b"12345")]
    first = encode([*scalars, list(range(20)), {str(key): key for key in range(20)}])
    payload = b"\x82\xa5first" + first + b"\xa4deep" + b"\x91" * 100_000 + b"\xc0"
    assert set(problems_of(codec.decode_arguments, payload)) == {"deep"}


def test_exception_of_a_validator_becomes_a_problem(make_codec):
    @dataclasses.dataclass
    class Picky:
        number: int

        def __post_init__(self) -> None:
            raise LookupError("no such number")

    codec = make_codec(request=Picky)
    assert problems_of(codec.decode_arguments, encode({"request": {"number": 1}})) == {
        "request": "LookupError: no such number"
    }


def test_result_of_another_type_is_refused_by_the_worker(make_codec):
    for annotation, value in [(int, "x"), (int, True), (None, 1), (str, None), (list[int], {}), (dict, [1])]:
        with pytest.raises(
            UnsupportedValueError, match=r"Backend\.run is declared to give .*result is of type"
        ):
            make_codec(annotation).encode_result(value)
        with pytest.raises(UnsupportedValueError, match="item is of type"):
            make_codec(annotation).encode_items([value])


def test_result_that_does_not_fit_is_refused_by_the_caller(make_codec):
    codec = make_codec(list[int])
    with pytest.raises(UnsupportedValueError, match=r"cannot be read as list\[int\].*result\[1\]"):
        codec.decode_result(encode([1, "x"]))
    with pytest.raises(UnsupportedValueError, match="cannot be read"):
        codec.decode_items(encode([1]))
    with pytest.raises(UnsupportedValueError, match="nested too deeply"):
        make_codec().decode_result(b"\x91" * 100_000 + b"\xc0")


def test_tuple_of_items_is_encoded_as_an_array(make_codec):
    codec = make_codec(int)
    assert codec.decode_items(codec.encode_items((1, 2))) == [1, 2]
    assert codec.decode_items(codec.encode_items([])) == []


def test_threads_may_share_a_codec(make_codec):
    codec = make_codec(Request, request=Request)
    failures: list[object] = []

    def work(number: int) -> None:
        for _ in range(300):
            value = Request([number] * 50)
            received = codec.decode_arguments(codec.encode_arguments((value,), {}))["request"]
            if received != value or codec.decode_result(codec.encode_result(value)) != value:
                failures.append(received)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
