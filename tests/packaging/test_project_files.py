"""What the files around the code promise each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = [ROOT, *(path.parent for path in sorted((ROOT / "plugins").glob("*/pyproject.toml")))]
CONSTRAINTS = sorted((ROOT / "constraints").glob("*.txt"))


def read_project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))


def plain(requirement: str) -> str:
    """The name of a requirement, as indexes compare it."""
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()


@pytest.mark.parametrize("constraints", CONSTRAINTS, ids=lambda path: path.name)
def test_constraints_hold_names_and_versions_only(constraints: Path) -> None:
    """No addresses, no options, nothing from a folder."""
    for line in constraints.read_text("utf-8").splitlines():
        assert re.fullmatch(r"#.*|[A-Za-z0-9][\w.-]*==[\w.!+]+", line), line


def test_constraints_pin_everything_that_is_asked_for() -> None:
    """Requirements, extras and groups of every distribution, ours excepted."""
    pinned = {
        plain(line) for path in CONSTRAINTS for line in path.read_text("utf-8").splitlines() if line[0] != "#"
    }
    asked: set[str] = set()
    for folder in PROJECTS:
        project = read_project(folder)
        extras = project["project"].get("optional-dependencies", {})
        groups = project.get("dependency-groups", {})
        lists = [project["project"]["dependencies"], *extras.values(), *groups.values()]
        asked |= {plain(each) for requirements in lists for each in requirements if isinstance(each, str)}
    assert asked - {plain(read_project(folder)["project"]["name"]) for folder in PROJECTS} <= pinned


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda path: path.name)
def test_news_fragments_are_named_for_the_changelog(folder: Path) -> None:
    """An issue, one of five types, and one line or more of text."""
    for path in (folder / "newsfragments").iterdir():
        if path.name != "README.md":
            assert re.fullmatch(r"\d+\.(added|changed|deprecated|removed|fixed)(\.\d+)?\.md", path.name), path
            assert path.read_text("utf-8").strip(), path
    assert "towncrier release notes start" in (folder / "CHANGELOG.md").read_text("utf-8")


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda path: path.name)
def test_distributions_share_licence_and_python(folder: Path) -> None:
    """One licence text, one oldest Python."""
    project = read_project(folder)["project"]
    assert project["license"] == "Apache-2.0"
    assert project["requires-python"] == ">=3.11"
    assert (folder / "LICENSE").read_text("utf-8") == (ROOT / "LICENSE").read_text("utf-8")


def test_ci_runs_the_command_of_the_readme() -> None:
    """The README names exactly two commands that set everything up, and CI runs the one with the tests."""
    readme = (ROOT / "README.md").read_text("utf-8")
    assert re.findall(r"^make .*$", readme, re.MULTILINE) == ["make demo", "make test"]
    assert re.search(r"^make .*\btest( |$)", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
