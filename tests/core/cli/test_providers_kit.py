"""``dynamo providers test`` and ``dynamo providers new``."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import dynamo_core
from dynamo_core.errors import EXIT_CHECK_FAILED, EXIT_CONFIG, EXIT_OK, EXIT_PROVIDER

from ..provider.fake_site import FakeSite

MANIFEST = Path(dynamo_core.__file__).parent / "inprocess" / "dynamo-provider.toml"
SOURCE = """
import dynamo_core.inprocess.running as running
from dynamo_core.inprocess import InProcessDeploymentTarget

running.NAME = "own"

class Target(InProcessDeploymentTarget):
    pass
"""
DEAF = """
async def nothing(self, *words):
    return b"\\xc0"

from dynamo_core.inprocess.calls import WorkerCalls
WorkerCalls.call = nothing
"""


@pytest.fixture
def own(site: FakeSite) -> FakeSite:
    """A site with a provider that works, since it is the one in core under another name."""
    manifest = MANIFEST.read_text("utf-8").replace('name = "inprocess"', 'name = "own"')
    site.add_provider("own", SOURCE, manifest=manifest.replace("{", "{{").replace("}", "}}"))
    return site


def providers(site: FakeSite, *arguments: str) -> subprocess.CompletedProcess[str]:
    return site.run("-m", "dynamo_core", "providers", *arguments)


def test_kit_run_leaves_junit_and_a_report(own: FakeSite) -> None:
    """Only some tests were run, so no grade is told; what does not apply names its capability."""
    arguments = ("--junit", "junit.xml", "--report", "report.json", "-k", "TestClaims")
    done = providers(own, "test", "own", *arguments)
    assert done.returncode == EXIT_OK, done.stdout + done.stderr
    assert done.stdout.splitlines()[0].split() == ["PART", "PASSED", "FAILED", "SKIPPED"]
    assert "grade: not given, since only some tests were run" in done.stdout
    report = json.loads((own.path / "report.json").read_text("utf-8"))
    assert report["provider"] == "own"
    assert report["parts"]["Claims"]["failed"] == 0
    assert report["skipped_otherwise"] == []
    root = ET.parse(own.path / "junit.xml").getroot()
    cases = list(root.iter("testcase"))
    assert len(cases) == sum(report["parts"]["Claims"].values())
    lacking = {each.get("value") for each in root.iter("property") if each.get("name") == "lacking"}
    assert "gpu" in lacking


def test_failure_is_told_and_has_a_code_of_its_own(own: FakeSite) -> None:
    """With the test's name and the first line of why."""
    path = own.path / "dynamo_own" / "__init__.py"
    path.write_text(path.read_text("utf-8") + DEAF, "utf-8")
    done = providers(own, "test", "own", "-k", "test_unary_endpoint_is_awaited", "--json")
    assert done.returncode == EXIT_CHECK_FAILED, done.stdout + done.stderr
    (failure,) = json.loads(done.stdout)["failures"]
    assert (failure["part"], failure["test"]) == ("Calls", "test_unary_endpoint_is_awaited")
    assert json.loads(done.stdout)["grade"] is None  # only some tests were run
    assert json.loads(done.stdout)["missing"] == []


def test_part_of_the_kit_is_not_recorded(own: FakeSite) -> None:
    """A report in a package is about all of it; that is told before anything runs."""
    done = providers(own, "test", "own", "--record", "-k", "TestClaims")
    assert done.returncode == 2
    assert "testing own" not in done.stderr
    assert "--record needs the whole kit" in done.stderr
    assert not (own.path / "dynamo_own" / "dynamo-conformance.json").exists()


def test_no_test_is_no_result(own: FakeSite) -> None:
    """A wrong expression is not taken for success."""
    done = providers(own, "test", "own", "-k", "nothing_of_the_kind")
    assert done.returncode == 1
    assert "no test of the kit fits -k 'nothing_of_the_kind'" in done.stderr


@pytest.mark.parametrize("option", ["--report", "--junit"])
def test_file_that_cannot_be_written_is_told_before_the_kit_runs(own: FakeSite, option: str) -> None:
    """It would take minutes to learn of it afterwards."""
    done = providers(own, "test", "own", option, "absent/file")
    assert done.returncode == EXIT_CONFIG
    assert "absent/file cannot be written" in done.stderr
    assert "testing own" not in done.stderr


def test_provider_that_cannot_be_chosen_is_not_tested(site: FakeSite) -> None:
    """Nor imported."""
    site.add_provider("dated", "raise RuntimeError", contract="<1.0")
    assert providers(site, "test", "dated").returncode == EXIT_PROVIDER
    assert providers(site, "test", "absent").returncode == EXIT_PROVIDER


# --- new ---


def test_new_provider_does_not_take_the_place_of_core(site: FakeSite) -> None:
    """Its package would be ``dynamo_core``."""
    done = providers(site, "new", "core")
    assert done.returncode == EXIT_CONFIG
    assert "its package would be 'dynamo_core' itself" in done.stderr
    assert not (site.path / "dynamo-core").exists()


def test_new_provider_with_the_name_of_an_installed_one_is_told_of(own: FakeSite) -> None:
    """Both can be there, and then neither is found by its name alone."""
    done = providers(own, "new", "own", "--into", "another")
    assert done.returncode == EXIT_OK
    assert "warning: dynamo-own offers a provider of that name already" in done.stderr


def test_new_makes_a_project_with_consistent_names(site: FakeSite) -> None:
    """Every file is told; nothing of the template's own is left in them."""
    done = providers(site, "new", "night-watch", "--json")
    assert done.returncode == EXIT_OK, done.stderr
    data = json.loads(done.stdout)
    assert data["folder"] == "dynamo-night-watch"
    project = site.path / "dynamo-night-watch"
    assert sorted(data["files"]) == sorted(
        str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()
    )
    texts = {path: path.read_text("utf-8") for path in project.rglob("*") if path.is_file()}
    assert not [path for path, text in texts.items() if "%" in text]
    assert "class NightWatchDeploymentTarget" in texts[project / "dynamo_night_watch" / "target.py"]
    assert 'name = "night-watch"' in texts[project / "dynamo_night_watch" / "dynamo-provider.toml"]
    assert (
        'night-watch = "dynamo_night_watch:NightWatchDeploymentTarget"' in texts[project / "pyproject.toml"]
    )
    assert "${{ matrix.python }}" in texts[project / ".github" / "workflows" / "ci.yml"]


@pytest.mark.parametrize("name", ["Night", "night watch", "../x", "x" * 40, "night-"])
def test_new_refuses_what_can_be_no_name(site: FakeSite, name: str) -> None:
    """Before anything is written."""
    before = sorted(site.path.iterdir())
    done = providers(site, "new", name)
    assert done.returncode == EXIT_CONFIG
    assert "a provider's name must fit" in done.stderr
    assert sorted(site.path.iterdir()) == before


def test_new_writes_over_nothing(site: FakeSite) -> None:
    """A folder that is not empty is refused."""
    site.write("full/file", "mine")
    done = providers(site, "new", "one", "--into", "full")
    assert done.returncode == EXIT_CONFIG
    assert "full is not empty" in done.stderr
    assert [path.name for path in (site.path / "full").iterdir()] == ["file"]
