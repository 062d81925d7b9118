"""Memberships as they are pushed to workers."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo_core.errors import FrameTooLargeError, ProtocolError
from dynamo_core.transport import Member, MembershipReader, encode_membership, encode_stop_time

members = st.lists(
    st.builds(Member, slot=st.integers(0, 1000), path=st.text(max_size=40), generation=st.integers(0, 2**40)),
    max_size=4,
)


@given(
    st.lists(st.tuples(st.text(max_size=20), members, st.text(max_size=20)), max_size=4), st.integers(1, 40)
)
def test_any_split_gives_the_same_memberships(pushed, size):
    """Where the kernel cuts the stream changes nothing."""
    data = b"".join(encode_membership(service, found, refusal=why) for service, found, why in pushed)
    reader = MembershipReader()
    found = [each for start in range(0, len(data), size) for each in reader.feed(data[start : start + size])]
    assert found == [(service, tuple(given_members), why) for service, given_members, why in pushed]


@given(st.binary(max_size=60))
def test_garbage_raises_nothing_but_protocol_errors(data):
    """Whatever comes, the reader says that it is no membership."""
    with contextlib.suppress(ProtocolError):
        MembershipReader().feed(data)


def test_a_length_above_the_limit_is_refused_at_once():
    """Nothing is waited for."""
    with pytest.raises(FrameTooLargeError):
        MembershipReader().feed(b"\xff\xff\xff\xff")


def test_stop_time_is_told_between_memberships() -> None:
    """It is no membership, and the last one counts."""
    reader = MembershipReader()
    assert reader.stop_told is None
    data = (
        encode_membership("A", ())
        + encode_stop_time(2.5)
        + encode_membership("B", ())
        + encode_stop_time(1.5)
    )
    assert [service for service, _, _ in reader.feed(data)] == ["A", "B"]
    assert reader.stop_told is not None
    assert reader.stop_told[0] == 1.5
