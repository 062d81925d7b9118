"""What the tests of the command line share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..provider.fake_site import FakeSite


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    """Distributions installed for processes that a test starts, and a project of nobody's."""
    made = FakeSite(tmp_path / "site")
    made.write("pyproject.toml", "")
    return made


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that commands look for runs in; its path is short enough for sockets."""
    path = Path(os.path.realpath(tempfile.mkdtemp(prefix="dc-", dir="/tmp")))
    monkeypatch.setenv("DYNAMO_RUNTIME_DIR", str(path))
    yield path
    shutil.rmtree(path, ignore_errors=True)
