"""Long byte strings that are not copied: values in parts are the same values."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo_core import endpoint, service
from dynamo_core.errors import DynamoError
from dynamo_core.inspection import define_service
from dynamo_core.parts import TAIL_BYTES, Parts, lone, tail_of
from dynamo_core.values import EndpointCodec

LONG = bytes(range(256)) * (TAIL_BYTES // 256)


@service
class Backend:
    @endpoint
    async def data(self, data: bytes) -> bytes:
        return data

    @endpoint
    async def several(self, note: str, first: bytes, second: bytes | None = None) -> bytearray:
        return bytearray(first)

    @endpoint
    async def view(self, data: memoryview) -> memoryview:
        return data

    @endpoint
    async def anything(self, value: Any) -> Any:
        return value

    @endpoint
    async def text(self, value: str) -> str:
        return value


def codec_of(name: str) -> EndpointCodec:
    return EndpointCodec("Backend", define_service(Backend).endpoints[name])


CODECS = {name: codec_of(name) for name in ("data", "several", "view", "anything", "text")}


def split(name: str, *args: object, **kwargs: object) -> bytes | Parts:
    return CODECS[name].encode_split_arguments(args, kwargs, is_split=True)


def outcome(read: Any, payload: Any) -> object:
    """What reading gives, or the error it raises."""
    try:
        return read(payload)
    except DynamoError as exc:
        return type(exc), str(exc)


def test_a_long_argument_is_not_copied():
    """Neither on the caller's side nor on the worker's."""
    parts = split("data", LONG)
    assert isinstance(parts, Parts)
    assert parts.tail is LONG
    assert CODECS["data"].decode_split_arguments(parts)["data"] is LONG


def test_parts_are_the_same_map():
    """Joined, they are what every reader of msgpack takes."""
    parts = split("several", "note", LONG, second=LONG[:-256])
    assert msgspec.msgpack.decode(bytes(parts)) == {"note": "note", "first": LONG, "second": LONG[:-256]}
    assert len(parts) == len(bytes(parts))


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_every_byte_string_may_be_a_tail(form):
    """A copy is made for those that the endpoint wants in another type."""
    parts = split("several", "note", form(LONG))
    assert isinstance(parts, Parts)
    assert CODECS["several"].decode_split_arguments(parts) == {"note": "note", "first": LONG}


def test_a_view_of_numbers_is_their_bytes():
    """As it is when it is short."""
    numbers = memoryview(LONG).cast("d")
    parts = split("view", numbers)
    assert isinstance(parts, Parts)
    found = CODECS["view"].decode_split_arguments(parts)["data"]
    assert isinstance(found, memoryview)
    assert found == LONG


def test_a_view_with_gaps_is_no_tail():
    """It has to be copied."""
    assert tail_of(memoryview(LONG * 2)[::2]) is None


@pytest.mark.parametrize("value", [LONG[1:], LONG.hex(), [LONG], {"data": LONG}, None])
def test_other_values_come_in_one_piece(value):
    """Short byte strings, and those inside other values."""
    assert isinstance(split("anything", value), bytes)


def test_a_result_and_an_item_are_not_copied():
    """Where their annotation takes bytes."""
    assert CODECS["data"].decode_result(lone(LONG)) is LONG
    items = Parts(b"\x91" + lone(LONG).head, LONG)
    assert CODECS["data"].decode_items(items)[0] is LONG
    assert CODECS["several"].decode_result(lone(LONG)) == bytearray(LONG)
    assert outcome(CODECS["text"].decode_result, lone(LONG)) == outcome(
        CODECS["text"].decode_result, bytes(lone(LONG))
    )


values = st.recursive(
    st.none() | st.integers(-5, 5) | st.binary(max_size=8) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
payloads = st.binary(max_size=30) | st.dictionaries(
    st.sampled_from(["data", "value", "note", "first", "second", "x"]), values, max_size=4
).map(msgspec.msgpack.encode)
bin32 = st.tuples(payloads, st.binary(max_size=8)).map(
    lambda pair: (pair[0], b"\xc6" + len(pair[1]).to_bytes(4, "big"), pair[1])
)


@given(st.sampled_from(list(CODECS)), payloads, st.integers(0, 40))
def test_wherever_arguments_are_cut_they_are_the_same(name, payload, at):
    """A peer may cut where it likes: what is read is the whole."""
    codec = CODECS[name]
    parts = Parts(payload[:at], payload[at:])
    assert outcome(codec.decode_split_arguments, parts) == outcome(codec.decode_arguments, payload)


@given(st.sampled_from(list(CODECS)), bin32)
def test_whatever_stands_before_a_byte_string_the_whole_is_read(name, pieces):
    """An abridged value that can be read does not stand for one that cannot."""
    codec = CODECS[name]
    before, head, tail = pieces
    for start in (before, before[:-1], before[:-2], b"\x81\xa4data", b"\x81\xa4data\xc4\x05", b"\x91", b""):
        parts = Parts(start + head, tail)
        for split_reader, reader in (
            (codec.decode_split_arguments, codec.decode_arguments),
            (codec.decode_result, codec.decode_result),
            (codec.decode_items, codec.decode_items),
        ):
            assert outcome(split_reader, parts) == outcome(reader, bytes(parts))
