"""Every case of faults, for outcome and order only: time bounds are for ``make faults``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
pytestmark = pytest.mark.xdist_group("faults")  # never two at once: each keeps both cores busy
CASES = [path.name.split("_")[0].upper() for path in sorted((HERE / "cases").glob("o[0-9][0-9]_*.py"))]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    """The case sees what it expects, and nothing is left of its runs."""
    words = [sys.executable, str(HERE / "run.py"), "--order", name]
    done = subprocess.run(words, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
