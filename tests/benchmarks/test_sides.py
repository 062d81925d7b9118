"""Sides and how they are started."""

from __future__ import annotations

from pathlib import Path

import pytest

import benchmarks.sides
from benchmarks import calls, scaling
from benchmarks.sides import NEEDS, SIDES

FOLDER = Path(benchmarks.sides.__file__).parent


@pytest.mark.parametrize("side", SIDES)
def test_side_is_a_module_that_can_be_run(side: str) -> None:
    assert 'if __name__ == "__main__":' in (FOLDER / f"{side}.py").read_text("utf-8")


def test_every_module_that_can_be_run_is_a_side() -> None:
    runnable = {
        path.stem for path in FOLDER.glob("*.py") if '__name__ == "__main__"' in path.read_text("utf-8")
    }
    assert runnable == set(SIDES)


def test_needs_are_of_sides() -> None:
    assert set(NEEDS) <= set(SIDES)
    assert set(scaling.SCALED) <= set(SIDES)


def test_what_is_not_there_is_not_installed() -> None:
    assert calls.is_installed("asyncio")
    assert not calls.is_installed("no_such_package")
    assert not calls.is_installed("no_such_package.within")


def test_side_that_ends_early_has_an_error_in_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that does not start is shown, and stops nothing."""
    monkeypatch.setitem(calls.INTERPRETERS, "floor", "/bin/false")
    told = calls.start("floor", "apart")
    assert told["figures"] == {}
    assert set(told["errors"]) == {row.name for row in calls.ROWS}
