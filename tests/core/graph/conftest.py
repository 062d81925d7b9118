"""What the tests of graphs share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def imports(tmp_path: Path) -> Iterator[Path]:
    """A folder for modules of users; what they import is forgotten afterwards."""
    path, known = list(sys.path), set(sys.modules)
    yield tmp_path.resolve()
    sys.path[:] = path
    for name in set(sys.modules) - known:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path.resolve())):
            del sys.modules[name]
