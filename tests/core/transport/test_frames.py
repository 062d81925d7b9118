"""Cutting a byte stream into frames."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo_core.errors import FrameTooLargeError, ProtocolError
from dynamo_core.transport.frames import HEADER_BYTES, FrameDecoder, encode_frame, encode_head

MAX_BYTES = 300
SMALL_BUFFER_BYTES = 64  # so that most frames cross its end, and some get a buffer of their own

a_frame = st.tuples(
    st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=MAX_BYTES - 6)
)


def decode(chunks: list[bytes], *, max_frame_bytes: int = MAX_BYTES, buffer_bytes: int = SMALL_BUFFER_BYTES):
    decoder = FrameDecoder(max_frame_bytes, buffer_bytes)
    found = []
    for chunk in chunks:
        for kind, flags, number, body in decoder.feed(chunk):
            found.append((kind, flags, number, bytes(body)))
    return found


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def encode(frames: list[tuple[int, int, int, bytes]]) -> bytes:
    return b"".join(encode_frame(kind, number, body, flags) for kind, flags, number, body in frames)


@given(st.lists(a_frame, max_size=8), st.lists(st.integers(0, 2000), max_size=12))
def test_any_split_gives_the_same_frames(frames, cuts):
    """Where the kernel cuts a stream changes nothing."""
    assert decode(split(encode(frames), cuts)) == frames


@given(st.lists(a_frame, max_size=4))
def test_one_byte_at_a_time_gives_the_same_frames(frames):
    """Not even a header needs to come in one piece."""
    data = encode(frames)
    assert decode([data[i : i + 1] for i in range(len(data))]) == frames


@given(st.lists(a_frame, max_size=8))
def test_a_buffer_of_usual_size_gives_the_same_frames(frames):
    """The size of the buffer changes nothing either."""
    assert decode([encode(frames)], buffer_bytes=64 * 1024) == frames


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_garbage_raises_nothing_but_protocol_errors(chunks):
    """Whatever a peer sends, the connection ends with an error of the protocol."""
    with contextlib.suppress(ProtocolError):
        decode(chunks)


@given(a_frame, st.integers(MAX_BYTES + 1, 2**32 - 1))
def test_a_frame_above_the_limit_is_refused_before_its_body(frame, length):
    """What came before is given, and the error needs no more than the header."""
    decoder = FrameDecoder(MAX_BYTES, SMALL_BUFFER_BYTES)
    header = length.to_bytes(4, "big") + bytes(6)
    found = []
    with pytest.raises(FrameTooLargeError) as caught:
        for kind, flags, number, body in decoder.feed(encode([frame]) + header):
            found.append((kind, flags, number, bytes(body)))
    assert found == [frame]
    assert (caught.value.size_bytes, caught.value.limit_bytes) == (length, MAX_BYTES)


def test_the_limit_itself_passes():
    """The limit counts what the length field counts."""
    frame = (5, 0, 1, bytes(MAX_BYTES - 6))
    assert decode([encode([frame])]) == [frame]


def test_a_length_below_the_header_is_refused():
    """A frame has a kind, flags and a number at least."""
    with pytest.raises(ProtocolError, match="at least 6, got 5"):
        decode([(5).to_bytes(4, "big") + bytes(6)])


def test_a_large_body_is_not_copied_again():
    """A body with a buffer of its own is kept as it is; a small one is copied out of the shared buffer."""
    decoder = FrameDecoder(10_000, SMALL_BUFFER_BYTES)
    (large,) = [body for *_, body in decoder.feed(encode_frame(7, 1, bytes(5000)))]
    assert decoder.keep(large) is large
    (small,) = [body for *_, body in decoder.feed(encode_frame(7, 2, b"small"))]
    assert decoder.keep(small) == b"small"
    assert isinstance(decoder.keep(small), bytes)


def test_bytes_are_received_in_place():
    """A small frame is received into the buffer and given as a view of it."""
    decoder = FrameDecoder(MAX_BYTES)
    frame = encode_frame(7, 1, b"body")
    room = decoder.buffer()
    room[: len(frame)] = frame
    ((_, _, _, body),) = decoder.received(len(frame))
    assert body.obj is room.obj
    assert decoder.is_between_frames


def test_a_head_is_the_beginning_of_a_frame():
    """Large bodies are sent beside their head, not joined with it."""
    assert encode_head(7, 9, 4, 1) + b"body" == encode_frame(7, 9, b"body", 1)
    assert len(encode_head(7, 9, 4)) == HEADER_BYTES
