"""Pages that are made from code are as the code makes them, and what the kit is stands in its page."""

from __future__ import annotations

import importlib.util
import json
import sys
from typing import TYPE_CHECKING

import pytest

from dynamo_core.provider.grade import GRADES
from dynamo_core.testing import conformance
from dynamo_core.testing.conformance.grading import RULES, Rule
from dynamo_core.testing.conformance.report import PARTS

from .pages_for_tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

PAGES = ROOT / "docs" / "reference"


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference_tool", ROOT / "tools" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["reference_tool"] = module
    spec.loader.exec_module(module)
    return module


MADE = load_tool().make_pages()


@pytest.mark.parametrize("name", MADE)
def test_page_is_as_the_code_makes_it(name: str) -> None:
    """After a change of a docstring or a report, ``python tools/reference.py`` makes it anew."""
    assert (PAGES / name).read_text("utf-8") == MADE[name], "run python tools/reference.py"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.grade)
def test_rules_of_grades_are_published_as_they_are(rule: Rule) -> None:
    """What a grade needs, and what it means."""
    needed = ", ".join(f"`{name}`" for name in rule.capabilities)
    row = f"| `{rule.grade}` | {needed} | {rule.meaning} |".replace("|  |", "| |")
    assert row in (PAGES / "conformance.md").read_text("utf-8")


def test_every_class_of_the_kit_is_in_its_page() -> None:
    """And every part of a report is one of them."""
    text = (PAGES / "conformance.md").read_text("utf-8")
    for name in conformance.__all__:
        assert f"| `{name}` |" in text, name
    assert len(PARTS) == len(conformance.__all__)


@pytest.mark.parametrize("path", sorted((PAGES / "kit-results").glob("*.json")), ids=lambda path: path.stem)
def test_kept_results_are_good_ones(path: Path) -> None:
    """No provider of this repository is published with a failure."""
    data = json.loads(path.read_text("utf-8"))
    assert data["failures"] == []
    assert data["grade"] in GRADES[1:]
    assert set(data["parts"]) == set(PARTS)
