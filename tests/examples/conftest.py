"""What the tests of the examples share."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from .served_for_tests import Command, private_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTALLED = [
    "inprocess",
    *(name for name in ("circus", "bentoml") if importlib.util.find_spec(f"dynamo_{name}") is not None),
]


@pytest.fixture
def command() -> Iterator[Command]:
    """Commands whose runs leave nothing behind."""
    with private_runs() as command:
        yield command


@pytest.fixture(params=INSTALLED)
def provider(request: pytest.FixtureRequest) -> str:
    """Each provider that is installed here, in turn."""
    return str(request.param)
