"""A private place for runs, and proof that nothing of them is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("bentoml", reason="BentoML is not installed")

from .runs_for_tests import Runs, private_runs

if TYPE_CHECKING:
    from collections.abc import Iterator


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
