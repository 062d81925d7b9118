"""What the tests of the command line share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ..provider.fake_site import FakeSite

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    """Distributions installed for processes that a test starts, and a project of nobody's."""
    made = FakeSite(tmp_path / "site")
    made.write("pyproject.toml", "")
    return made
