"""How the kit's results become a grade and a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynamo_core.provider import CAPABILITIES
from dynamo_core.provider.discovery import ProviderCandidate
from dynamo_core.provider.grade import GRADES, KIT_VERSION, Grade, read_grade
from dynamo_core.provider.manifest import Manifest, read_manifest
from dynamo_core.testing import conformance
from dynamo_core.testing.conformance import suite
from dynamo_core.testing.conformance.grading import RULES, Outcome, count_parts, grade
from dynamo_core.testing.conformance.report import PARTS, TESTED, UNTESTABLE, make_report

PARTS_OF_TEST = ("Calls", "Streams")
PASSED = [Outcome("Calls", "test_one", "passed"), Outcome("Streams", "test_two", "passed")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package with a manifest that claims everything."""
    (tmp_path / "__init__.py").write_text("")
    claims = "\n".join(f'{name} = "native"' for name in CAPABILITIES)
    (tmp_path / "dynamo-provider.toml").write_text(
        f'name = "able"\nsummary = "x"\ncontract = ">=1.0"\n[capabilities]\n{claims}\n'
    )
    return tmp_path


def manifest(folder: Path, **levels: str) -> Manifest:
    """The manifest, with some levels changed."""
    path = folder / "dynamo-provider.toml"
    text = path.read_text()
    for name, level in levels.items():
        text = text.replace(f'{name} = "native"', f'{name} = {{ level = "{level}", reason = "x" }}')
    path.write_text(text)
    return read_manifest(path)


def test_whoever_does_everything_is_platinum(folder: Path) -> None:
    """Nothing is missing then."""
    assert grade(PASSED, manifest(folder), PARTS_OF_TEST) == ("platinum", ())


@pytest.mark.parametrize(
    ("capability", "level", "wanted"),
    [
        ("logs", "ignored", "gold"),
        ("logs", "emulated", "platinum"),
        ("http", "refused", "silver"),
        ("streams", "refused", "bronze"),
        ("gpu", "refused", "platinum"),
    ],
)
def test_grade_is_the_highest_whose_capabilities_are_all_there(
    folder: Path, capability: str, level: str, wanted: str
) -> None:
    """What is emulated is there; what no rule names does not count."""
    found = grade(PASSED, manifest(folder, **{capability: level}), PARTS_OF_TEST)
    assert found.grade == wanted
    assert found.missing == (() if wanted == "platinum" else (f"{capability} is {level}",))


def test_one_failure_is_no_grade(folder: Path) -> None:
    """A grade says that the manifest can be believed."""
    outcomes = [*PASSED, Outcome("Calls", "test_three", "failed")]
    assert grade(outcomes, manifest(folder), PARTS_OF_TEST) == ("none", ("Calls.test_three failed",))


def test_part_of_which_nothing_ran_is_no_grade(folder: Path) -> None:
    """Whether it is missing, or skipped for a reason that has nothing to do with the manifest."""
    sound = manifest(folder)
    assert grade(PASSED[:1], sound, PARTS_OF_TEST) == ("none", ("nothing of Streams ran",))
    skipped = [PASSED[0], Outcome("Streams", "test_two", "skipped", message="no /proc")]
    assert grade(skipped, sound, PARTS_OF_TEST).grade == "none"
    lacking = [PASSED[0], Outcome("Streams", "test_two", "skipped", lacking="streams")]
    assert grade(lacking, manifest(folder, streams="refused"), PARTS_OF_TEST).grade == "bronze"


def test_rules_are_about_what_the_kit_tests() -> None:
    """No grade asks for a capability that nobody tries out."""
    named = [name for rule in RULES for name in rule.capabilities]
    assert [rule.grade for rule in RULES] == list(GRADES[1:])
    assert set(named) <= set(TESTED) <= set(CAPABILITIES)
    assert len(named) == len(set(named))


def test_suite_has_every_part_in_order() -> None:
    """One class for each of the kit's, named as reports name it."""
    names = [name.removeprefix("Test") for name in vars(suite) if name.startswith("Test")]
    assert names == list(PARTS)
    bases = {getattr(suite, f"Test{name}").__mro__[1].__name__ for name in PARTS}
    assert bases == set(conformance.__all__)


def test_report_can_be_read_as_a_grade(folder: Path) -> None:
    """In the package it was made for, and stale anywhere else."""
    candidate = ProviderCandidate("able", "able:Target", "dynamo-able", "1.2", manifest(folder))
    outcomes = [Outcome(part, "test", "passed") for part in PARTS]
    report = make_report(candidate, outcomes)
    assert report["claimed_untested"] == [name for name in CAPABILITIES if name not in TESTED]
    (folder / "dynamo-conformance.json").write_text(json.dumps(report))
    assert candidate.manifest is not None
    assert read_grade(candidate.manifest, "1.2") == Grade("platinum")
    (reason,) = read_grade(candidate.manifest, "1.3").stale
    assert "version 1.2, installed is 1.3" in reason
    assert report["kit"] == KIT_VERSION


def test_parts_are_counted() -> None:
    """By outcome, in the order they ran."""
    outcomes = [*PASSED, Outcome("Calls", "test_three", "skipped")]
    assert count_parts(outcomes) == {
        "Calls": {"passed": 1, "failed": 0, "skipped": 1},
        "Streams": {"passed": 1, "failed": 0, "skipped": 0},
    }


def test_every_capability_is_tested_or_says_why_not() -> None:
    """A claim that the kit does not try out is told as such, with the reason."""
    assert sorted([*TESTED, *UNTESTABLE]) == sorted(CAPABILITIES)
