"""What stands in the bodies of frames."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo_core.errors import ProtocolError, UnsupportedValueError
from dynamo_core.transport.frames import CALL, FrameDecoder
from dynamo_core.transport.messages import (
    Hello,
    Refusal,
    VersionMismatchError,
    Welcome,
    call_frame_bytes,
    count_items,
    decode_greeting,
    encode,
    encode_call_head,
    encode_metadata,
    parse_call,
    parse_credit,
    timeout_to_ms,
)

HELLO = Hello(
    run_id="run-1",
    service="Backend",
    slot=0,
    max_frame_bytes=4096,
    stream_window_items=1,
    stream_window_bytes=1,
)
names = st.binary(max_size=255)


@given(names, st.integers(0, 2**32 - 1), st.dictionaries(st.text(), st.text(), max_size=4), st.binary())
def test_a_call_is_read_as_it_was_written(name, timeout_ms, metadata, arguments):
    """Name, time limit, metadata and arguments come out as they went in."""
    encoded = encode_metadata(metadata)
    frame = encode_call_head(7, 2, name, timeout_ms, encoded, len(arguments)) + arguments
    ((kind, flags, number, body),) = FrameDecoder(1 << 20).feed(frame)
    assert (kind, flags, number) == (CALL, 2, 7)
    assert len(frame) == 4 + call_frame_bytes(name, encoded, len(arguments))
    found_name, found_timeout, found_metadata, found_arguments = parse_call(body)
    assert (found_name, found_timeout, bytes(found_arguments)) == (name, timeout_ms, arguments)
    assert found_metadata == (metadata or None)


@given(st.binary(max_size=64))
def test_a_garbled_call_is_a_protocol_error_or_a_call(body):
    """Nothing else is raised."""
    with contextlib.suppress(ProtocolError):
        parse_call(memoryview(body))


@given(st.binary(max_size=64))
def test_a_garbled_greeting_is_a_protocol_error(body):
    """Nothing else is raised."""
    with pytest.raises(ProtocolError):
        decode_greeting(Hello, body)


@pytest.mark.parametrize(
    "message",
    [
        HELLO,
        Welcome(run_id="r", service="B", slot=1, generation=2, pid=3, max_frame_bytes=4096, marks_page=True),
        Refusal(code="run", message="the worker belongs to another run"),
    ],
)
def test_greetings_are_read_as_they_were_written(message):
    """They round-trip."""
    assert decode_greeting(type(message), encode(message)) == message


def test_fields_that_a_later_version_adds_are_ignored():
    """A greeting may grow without a new version."""
    data = {**msgspec.to_builtins(HELLO), "colour": "blue"}
    assert decode_greeting(Hello, encode(data)) == HELLO


def test_another_version_is_named():
    """Whatever else such a greeting holds."""
    with pytest.raises(VersionMismatchError, match="version 99"):
        decode_greeting(Hello, encode({"protocol": "dynamo", "version": 99}))


def test_another_protocol_is_named():
    """What looks like a greeting and is none is refused."""
    with pytest.raises(ProtocolError, match="'http'"):
        decode_greeting(Hello, encode({"protocol": "http", "version": 1}))


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [
        (None, 0),
        (0.0, 1),
        (0.0001, 1),
        (0.001, 1),
        (0.0011, 2),
        (1.0, 1000),
        (1e9, 2**32 - 1),
        (float("inf"), 0),
    ],
)
def test_time_limits_travel_in_milliseconds(seconds, milliseconds):
    """Rounded up, never to none, and never from none."""
    assert timeout_to_ms(seconds) == milliseconds


@pytest.mark.parametrize("count", [0, 1, 15, 16, 65535, 65536])
def test_items_are_counted_by_the_first_bytes(count):
    """An array says how many items it has."""
    assert count_items(msgspec.msgpack.encode([None] * count)) == count


@pytest.mark.parametrize("body", [b"", b"\x80", b"\xdc\x00", b"\xdd\x00\x00\x00", b"\xc0"])
def test_what_is_no_array_is_a_protocol_error(body):
    """Other values and cut arrays are refused."""
    with pytest.raises(ProtocolError, match="array"):
        count_items(body)


def test_credit_has_a_fixed_size():
    """Eight bytes, no others."""
    assert parse_credit(b"\0\0\0\1\0\0\0\2") == (1, 2)
    with pytest.raises(ProtocolError, match="8 bytes, got 7"):
        parse_credit(bytes(7))


def test_metadata_must_be_texts():
    """The culprit is named."""
    with pytest.raises(UnsupportedValueError, match="'answer': int"):
        encode_metadata({"answer": 42})  # type: ignore[dict-item]


def test_metadata_have_a_limit():
    """They travel with every call down the chain."""
    with pytest.raises(UnsupportedValueError, match="65535"):
        encode_metadata({"key": "x" * 70_000})


def test_no_metadata_take_no_room():
    """The usual call has none."""
    assert encode_metadata({}) == b""
