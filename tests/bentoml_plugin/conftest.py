"""A private place for runs, and proof that nothing of them is left."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("bentoml", reason="these tests need BentoML")
