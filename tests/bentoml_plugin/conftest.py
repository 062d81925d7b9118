"""A private place for runs, and proof that nothing of them is left."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from .runs_for_tests import Runs, private_runs

if TYPE_CHECKING:
    from collections.abc import Iterator


if importlib.util.find_spec("dynamo_bentoml") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def runs() -> Iterator[Runs]:
    """The runs of one test."""
    with private_runs() as found:
        yield found


@pytest.fixture(scope="class")
def shared_runs() -> Iterator[Runs]:
    """The runs that the tests of one class share."""
    with private_runs() as found:
        yield found
