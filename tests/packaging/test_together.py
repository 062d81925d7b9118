"""Both providers in one environment: which one runs, and that neither hides the other."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("bentoml") is None or importlib.util.find_spec("dynamo_circus") is None,
    reason="needs both providers; 'make test-together' has environments with them",
)


def explain(tmp_path: Path, *options: str) -> dict[str, object]:
    """What ``dynamo providers explain`` says in an empty folder."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DYNAMO_")}
    command = [sys.executable, "-m", "dynamo_core", "providers", "explain", "--json", *options]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    explained: dict[str, object] = json.loads(done.stdout)
    return explained


def test_bentoml_is_the_default_and_both_work(tmp_path: Path) -> None:
    """Nothing is set, and both can be imported."""
    explained = explain(tmp_path)
    assert (explained["chosen"], explained["source"]) == ("bentoml", "the default")
    candidates = explained["candidates"]
    assert isinstance(candidates, list)
    assert {each["name"]: each["state"] for each in candidates} == {
        "bentoml": "ok",
        "circus": "ok",
        "inprocess": "ok",
    }


def test_circus_is_used_when_it_is_asked_for(tmp_path: Path) -> None:
    """Whichever of the two packages named circus is there."""
    assert explain(tmp_path, "--provider", "circus")["chosen"] == "circus"
