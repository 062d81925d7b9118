"""What the tests of runs of workers share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where runs keep their directories; its path is short enough for sockets."""
    path = Path(os.path.realpath(tempfile.mkdtemp(prefix="wr-", dir="/tmp")))
    monkeypatch.setenv("DYNAMO_RUNTIME_DIR", str(path))
    yield path
    shutil.rmtree(path, ignore_errors=True)
