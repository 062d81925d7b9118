"""What the tests of supervision share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A private folder whose path is short enough for sockets."""
    path = Path(os.path.realpath(tempfile.mkdtemp(prefix="su-", dir="/tmp")))
    yield path
    shutil.rmtree(path, ignore_errors=True)
