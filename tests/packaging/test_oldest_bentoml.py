"""dynamo-bentoml with the oldest BentoML that it claims to work with."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from ..examples.served_for_tests import ROOT
from .test_wheels import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.wheels, pytest.mark.timeout(900)]

PLUGIN = ROOT / "plugins" / "dynamo_bentoml"
TOOLS = ("pytest", "pytest-asyncio", "pytest-timeout", "hypothesis", "httpx", "attrs", "pyyaml")
TESTS = ("test_run.py", "test_serve.py", "test_bentoml_serve.py", "test_bento_service.py", "test_batching.py")


def oldest() -> str:
    """The requirement's lower end."""
    found = re.search(r'"bentoml>=([\d.]+),', (PLUGIN / "pyproject.toml").read_text("utf-8"))
    assert found is not None
    return found[1]


def test_everything_works_with_the_oldest_bentoml(tmp_path: Path) -> None:
    """Everything else as it is pinned."""
    pins = (ROOT / "constraints" / "bentoml.txt").read_text("utf-8")
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(re.sub(r"(?m)^bentoml==.*$", f"bentoml=={oldest()}", pins), "utf-8")
    for project in (ROOT, PLUGIN):
        run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path, project)
    wheels = [
        f"{next(tmp_path.glob('dynamo_core-*.whl'))}[http,uvloop]",
        next(tmp_path.glob("dynamo_bentoml-*.whl")),
    ]
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "-qq", "-c", constraints, *wheels, *TOOLS)
    shown = run(python, "-c", "import bentoml; print(bentoml.__version__)", cwd=tmp_path)
    assert shown.strip() == oldest()
    tests = [f"tests/bentoml_plugin/{name}" for name in TESTS]
    summary = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, patience_s=600)
    assert " passed" in summary
    assert "skipped" not in summary
