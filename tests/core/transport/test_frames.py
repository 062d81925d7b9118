"""Cutting a byte stream into frames."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo_core.errors import FrameTooLargeError, ProtocolError
from dynamo_core.transport.frames import (
    CALL,
    CANCEL,
    HAS_TAIL,
    HEADER_BYTES,
    ITEMS,
    RESULT,
    FrameDecoder,
    encode_frame,
    encode_head,
    encode_tail_head,
)

MAX_BYTES = 300
SMALL_BUFFER_BYTES = 64  # so that most frames cross its end, and some get a buffer of their own

a_frame = st.tuples(
    st.integers(0, 255), st.integers(0, 127), st.integers(0, 2**32 - 1), st.binary(max_size=MAX_BYTES - 6)
)
a_frame_with_tail = st.tuples(
    st.sampled_from([CALL, RESULT, ITEMS]),
    st.integers(128, 255),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=MAX_BYTES // 3),
    st.binary(max_size=MAX_BYTES // 2),
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


@given(
    st.lists(st.one_of(a_frame, a_frame_with_tail), max_size=8),
    st.lists(st.integers(0, 2000), max_size=12),
    st.sampled_from([SMALL_BUFFER_BYTES, 200, 64 * 1024]),
)
def test_any_split_gives_the_same_tails(frames, cuts, buffer_bytes):
    """A tail comes apart from its body, wherever the kernel cuts, and as bytes."""
    data = b""
    for kind, flags, number, body, *tail in frames:
        if tail:
            head = encode_tail_head(kind, number, len(body + tail[0]), len(tail[0]), flags - 128)
            data += head + body + tail[0]
        else:
            data += encode_frame(kind, number, body, flags)
    decoder = FrameDecoder(MAX_BYTES, buffer_bytes)
    found = []
    for chunk in split(data, cuts):
        for kind, flags, number, body in decoder.feed(chunk):
            tail = [decoder.tail] if flags & HAS_TAIL else []
            assert all(type(each) is bytes for each in tail)
            found.append((kind, flags, number, bytes(body), *tail))
    assert found == frames
    assert decoder.is_between_frames


@given(st.integers(0, 2**32 - 1), st.integers(0, 100), st.sampled_from([CALL, RESULT, ITEMS]))
def test_a_tail_longer_than_its_frame_is_refused(tail_bytes, body_bytes, kind):
    """The length of a tail is part of the frame's."""
    head = encode_tail_head(kind, 1, body_bytes, tail_bytes)
    if tail_bytes <= body_bytes:
        assert decode([head + bytes(body_bytes)]) == [(kind, HAS_TAIL, 1, bytes(body_bytes - tail_bytes))]
        return
    with pytest.raises(ProtocolError, match="no tail"):
        decode([head + bytes(body_bytes)])


def test_only_some_frames_have_tails():
    """Elsewhere the flag means that the peer is none of ours."""
    with pytest.raises(ProtocolError, match="no tail"):
        decode([encode_tail_head(CANCEL, 1, 4, 2) + bytes(4)])


def test_a_tail_is_received_where_it_stays():
    """What has been received is made into bytes without a copy, and is let go with the frame."""
    decoder = FrameDecoder(1 << 20)
    size = 500_000
    for chunk in (encode_tail_head(RESULT, 1, size, size), bytes(size)):
        tails = [decoder.tail for _ in decoder.feed(chunk)]
    assert tails == [bytes(size)]
    assert decoder.tail == b""


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
