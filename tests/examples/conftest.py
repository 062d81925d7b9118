"""What the tests of the examples share."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from .served_for_tests import Command, private_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_circus = pytest.mark.skipif(
    importlib.util.find_spec("dynamo_circus") is None, reason="dynamo-circus is not installed"
)


@pytest.fixture
def command() -> Iterator[Command]:
    """Commands whose runs leave nothing behind."""
    with private_runs() as command:
        yield command


@pytest.fixture(params=["inprocess", pytest.param("circus", marks=needs_circus)])
def provider(request: pytest.FixtureRequest) -> str:
    """Each provider in turn."""
    return str(request.param)
