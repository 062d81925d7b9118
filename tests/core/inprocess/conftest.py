"""What the tests of served graphs share."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def folder() -> Iterator[Path]:
    """A private folder whose path is short enough for sockets."""
    path = Path(os.path.realpath(tempfile.mkdtemp(prefix="di-", dir="/tmp")))
    yield path
    shutil.rmtree(path, ignore_errors=True)
