"""Names that are imported when they are first used."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from dynamo_core.lazy_names import lazy_names


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A package with one name of another module's."""
    found = ModuleType("package_of_tests")
    found.__all__ = ["Path", "__version__"]  # type: ignore[attr-defined]
    found.__getattr__, found.__dir__ = lazy_names(  # type: ignore[method-assign]
        found.__name__, {"Path": "pathlib"}
    )
    monkeypatch.setitem(sys.modules, found.__name__, found)
    return found


def test_name_is_imported_when_it_is_used_and_kept(package: ModuleType) -> None:
    """What was asked for once is an attribute."""
    from pathlib import Path

    assert "Path" not in vars(package)
    assert package.Path is Path
    assert vars(package)["Path"] is Path


def test_name_that_there_is_not_is_told_as_usual(package: ModuleType) -> None:
    """With the package's name."""
    with pytest.raises(AttributeError, match="module 'package_of_tests' has no attribute 'Other'"):
        _ = package.Other


def test_public_names_are_listed(package: ModuleType) -> None:
    """Whether they have been used or not."""
    assert dir(package) == ["Path", "__version__"]
