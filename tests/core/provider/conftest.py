"""What the tests of providers share."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from .fake_site import FakeSite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSite]:
    """Distributions installed for this process, for the time of one test."""
    made = FakeSite(tmp_path / "site")
    monkeypatch.syspath_prepend(str(made.path))
    known = set(sys.modules)
    yield made
    for name in set(sys.modules) - known:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(made.path)):
            del sys.modules[name]
    importlib.invalidate_caches()
