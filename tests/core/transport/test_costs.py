"""Calls and streams cost what is stored, not more."""

from __future__ import annotations

import json

import pytest

from .costs_for_tests import STORED, WORK, measure_all


@pytest.fixture(name="found", scope="module")
def found_fixture():
    return measure_all()


@pytest.mark.parametrize("work", WORK)
def test_costs_are_as_stored(found, work):
    """When they have changed for a reason: python tests/core/transport/costs_for_tests.py"""
    stored = json.loads(STORED.read_text("utf-8"))[work]
    assert {name: count for name, count in found[work].items() if count > stored[name]} == {}


def test_a_call_is_one_frame_and_one_write_each_way(found):
    """However they are stored."""
    assert (found["one call"]["frames"], found["one call"]["writes"]) == (2, 2)


def test_calls_at_once_share_writes(found):
    """And so do their answers."""
    assert found["64 calls at once"]["frames"] == 128
    assert found["64 calls at once"]["writes"] <= 12


def test_items_that_are_ready_share_frames(found):
    """A source that suspends before each item, too, as long as it is quick."""
    for work in ("stream of 1000 ready items", "stream of 1000 items of a suspending source"):
        assert found[work]["frames"] <= 12
