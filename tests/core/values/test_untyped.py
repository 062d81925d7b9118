"""Plain values: fidelity, and everything that must not be sent."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import math
import pathlib
import pickle
import sys
import types
import uuid
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamo_core.definition import EndpointDefinition, EndpointKind, ParameterDefinition
from dynamo_core.errors import UnsupportedValueError
from dynamo_core.values import EndpointCodec

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=30)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Loose:
    payload: dict[str, Any]
    extra: Any = None


PLAIN = EndpointCodec(
    "Backend",
    EndpointDefinition(
        name="run",
        attribute="run",
        kind=EndpointKind.UNARY,
        parameters=(ParameterDefinition(name="request", annotation=Any),),
        result=Any,
    ),
)


def same(left: object, right: object) -> bool:
    """Whether both are equal and of equal types throughout."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


@settings(deadline=None)
@given(VALUES)
def test_plain_values_arrive_with_their_types(value):
    assert same(PLAIN.decode_arguments(PLAIN.encode_arguments((value,), {})), {"request": value})
    assert same(PLAIN.decode_result(PLAIN.encode_result(value)), value)
    assert same(PLAIN.decode_items(PLAIN.encode_items([value, value])), [value, value])


@settings(deadline=None)
@given(VALUES)
def test_plain_values_have_a_json_form(value):
    document = PLAIN.encode_json_result(value)
    assert msgspec.json.decode(document) == msgspec.json.decode(msgspec.json.encode(value))


def test_nan_and_infinity_travel_between_services():
    received = PLAIN.decode_result(PLAIN.encode_result([math.nan, math.inf, -math.inf]))
    assert math.isnan(received[0])
    assert received[1:] == [math.inf, -math.inf]


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (None, None),
        (bool, True),
        (int, -(2**63)),
        (int, 2**64 - 1),
        (float, 0.1),
        (str, "ä\x00😀"),
        (bytes, bytes(range(256))),
        (bytearray, bytearray(b"a")),
        (list[int], [1, 2]),
        (dict[str, bytes], {"a": b"\xff"}),
        (set[int], {1, 2}),
        (frozenset[str], frozenset("ab")),
        (tuple[int, str], (1, "a")),
        (tuple[int, ...], (1, 2, 3)),
        (Colour, Colour.RED),
        (Level, Level.LOW),
        (Literal["a", 1], "a"),
        (datetime.datetime, datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)),
        (datetime.datetime, datetime.datetime(2026, 1, 2, 3, 4, 5, 6)),  # noqa: DTZ001  # a naive one stays naive
        (datetime.date, datetime.date(2026, 1, 2)),
        (datetime.time, datetime.time(1, 2, 3)),
        (datetime.timedelta, datetime.timedelta(days=1, microseconds=5)),
        (uuid.UUID, uuid.UUID(int=5)),
        (decimal.Decimal, decimal.Decimal("1.10")),
        (pathlib.Path, pathlib.Path("/a/b")),
        (int | str | None, "x"),
        (int | str | None, None),
        (Mapping[str, object], {"a": [1]}),
        (Sequence[float], [1.5]),
        (object, {"a": 1}),
        (dict[str, object], {"a": None}),
        (list[object | None], [1, None]),
    ],
)
def test_annotated_values_arrive_with_their_types(make_codec, annotation, value):
    codec = make_codec(annotation, request=annotation)
    received = codec.decode_arguments(codec.encode_arguments((), {"request": value}))["request"]
    result = codec.decode_result(codec.encode_result(value))
    document = b'{"request":' + codec.encode_json_result(value) + b"}"
    from_json = codec.decode_json_arguments(document, None)["request"]
    for found in (received, result, from_json):
        assert found == value
        assert type(found) is type(value)


def test_memoryview_outlives_the_payload(make_codec):
    codec = make_codec(memoryview, request=memoryview)
    payload = bytearray(codec.encode_arguments((b"abcd",), {}))
    view = codec.decode_arguments(memoryview(payload))["request"]
    payload[:] = bytes(len(payload))
    assert bytes(view) == b"abcd"


def test_integer_is_taken_for_a_float_and_arrives_as_one(make_codec):
    codec = make_codec(float, request=float)
    received = codec.decode_arguments(codec.encode_arguments((3,), {}))["request"]
    assert type(received) is float
    assert type(codec.decode_result(codec.encode_result(3))) is float


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (OrderedDict(a=1), {"a": 1}),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (deque([1]), [1]),
        ((1, (2,)), [1, [2]]),
        ({3}, [3]),
        (bytearray(b"a"), b"a"),
        (type("Text", (str,), {})("a"), "a"),
        (type("Number", (int,), {})(4), 4),
        (Colour.RED, "red"),
    ],
)
def test_relatives_of_plain_types_are_sent_as_those(value, expected):
    assert same(PLAIN.decode_result(PLAIN.encode_result({"x": value})), {"x": expected})


def nest(levels: int) -> object:
    value: object = []
    for _ in range(levels):
        value = [value]
    return value


def make_cycle() -> object:
    cycle: dict[str, object] = {}
    cycle["inner"] = [cycle]
    return cycle


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"items": [1, 2, 3, {"x": 2**64}]}, r"request\.items\[3\]\.x is an integer of 65 bits"),
        ({"items": [1, 2, 3, {"x": -(2**63) - 1}]}, r"request\.items\[3\]\.x is an integer of 64 bits"),
        ({"items": [{1: 2}]}, r"request\.items\[0\] has a key of type int: keys must be text"),
        ({"items": ({"a b": {None: 2}},)}, r"request\.items\[0\]\['a b'\] has a key of type NoneType"),
        ([*range(100), {b"x": 1}], r"request\[100\] has a key of type bytes"),
        ([*([0.5] * 100), {(1,): 1}], r"request\[100\] has a key of type tuple"),
        ({Colour.RED: 1}, "request has a key of type Colour"),
        (OrderedDict({1: 2}), "request has a key of type int"),
        (types.MappingProxyType({1: 2}), "request has a key of type int"),
        (Loose({"a": {1: 2}}), r"request\.payload\.a has a key of type int"),
        (Loose({}, [Loose({3: 4})]), r"request\.extra\[0\]\.payload has a key of type int"),
        ({"f": print}, r"request\.f is of type builtin_function_or_method, which cannot be sent"),
        ([sys.stdout.buffer], r"request\[0\] is of type \w+, which cannot be sent"),
        ([object()], r"request\[0\] is of type object, which cannot be sent"),
        ({"c": 1j}, r"request\.c is of type complex"),
        ({"t": int}, r"request\.t is of type type"),
        ("\ud800", "request is text with lone surrogates"),
        ({"\ud800": 1}, "request has a key that is text with lone surrogates"),
        (nest(300), "is nested deeper than 200 levels"),
        (nest(100_000), "is nested deeper than 200 levels"),
        (make_cycle(), r"request\.inner\[0\] contains itself"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_sent_is_named_with_its_path(value, message):
    with pytest.raises(UnsupportedValueError, match=r"^Backend\.run: ") as caught:
        PLAIN.encode_arguments((value,), {})
    assert caught.match(message)
    with pytest.raises(UnsupportedValueError, match=message.replace("request", "result")):
        PLAIN.encode_result(value)


@pytest.mark.parametrize(
    "value", [{"a": 2**70}, {"a": {1: 2}}, nest(100_000), make_cycle(), {"a": print}, "\ud800"]
)
def test_json_results_have_the_same_limits(value):
    with pytest.raises(UnsupportedValueError, match="result"):
        PLAIN.encode_json_result(value)


def test_long_digits_in_text_are_no_integers():
    value = {"id": "1" * 40, "n": 2**64 - 1}
    assert msgspec.json.decode(PLAIN.encode_json_result(value)) == value


def test_huge_integer_is_found_across_the_slices_of_a_large_document():
    for padding in range(0, 30, 7):
        with pytest.raises(UnsupportedValueError, match="integers must be within"):
            PLAIN.encode_json_result(["x" * ((1 << 20) - 20 + padding), 10**24])


def test_depth_below_the_limit_is_sent():
    value = nest(150)
    assert PLAIN.decode_result(PLAIN.encode_result(value)) == value


@pytest.mark.parametrize("annotation", [list[int], list, dict[str, Any], set[int], int])
def test_deep_value_for_a_typed_parameter_is_refused(make_codec, annotation):
    with pytest.raises(UnsupportedValueError, match="nested"):
        make_codec(request=annotation).encode_arguments((nest(100_000),), {})


class Canary:
    """Leaves a trace when it is unpickled."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return (pathlib.Path.touch, (self.path,))


def test_nothing_is_pickled_or_unpickled(tmp_path):
    canary = Canary(tmp_path / "canary")
    with pytest.raises(UnsupportedValueError, match="request is of type Canary"):
        PLAIN.encode_arguments((canary,), {})
    payload = pickle.dumps(canary)
    received = PLAIN.decode_arguments(PLAIN.encode_arguments((payload,), {}))
    assert received == {"request": payload}
    assert not canary.path.exists()


def test_property_that_raises_becomes_a_clear_error():
    class Broken(Mapping[str, int]):
        def __getitem__(self, key: str) -> int:
            raise LookupError(key)

        def __iter__(self):
            return iter(["a"])

        def __len__(self) -> int:
            return 1

    with pytest.raises(UnsupportedValueError, match="LookupError"):
        PLAIN.encode_arguments((Broken(),), {})
