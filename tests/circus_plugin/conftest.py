"""A private place for runs, and proof that nothing of them is left."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that the test's runs lie in, with a short path; empty again in the end."""
    folder = Path(tempfile.mkdtemp(prefix="dc-"))
    monkeypatch.setenv("DYNAMO_RUNTIME_DIR", str(folder))
    yield folder
    left = sorted(path.name for path in folder.iterdir())
    shutil.rmtree(folder)
    assert not left, f"runs have left {left}"


@pytest.fixture
def graphs() -> Path:
    """The folder of the graphs that these tests run."""
    return Path(__file__).with_name("graphs")
