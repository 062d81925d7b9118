"""A provider that is wrong in one way is caught by the part of the kit that is about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dynamo_core
from dynamo_core.provider.discovery import discover_providers
from dynamo_core.provider.grade import GRADES
from dynamo_core.testing.conformance.report import make_report
from dynamo_core.testing.conformance.runner import KitOptions, run_kit

from ...provider.fake_site import FakeSite
from .mutations import MUTATIONS, PREAMBLE, Mutation

MANIFEST = Path(dynamo_core.__file__).parent / "inprocess" / "dynamo-provider.toml"
LIMIT_S = 8.0
"""Seconds that one test may take; many a mutant hangs."""
SOUND = Mutation(part="", code="")

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSite:
    """Distributions that this process and those it starts have installed."""
    made = FakeSite(tmp_path / "site")
    monkeypatch.syspath_prepend(str(made.path))
    return made


def install(site: FakeSite, mutation: Mutation) -> None:
    """Install the provider of core under another name, spoilt."""
    manifest = MANIFEST.read_text("utf-8").replace('name = "inprocess"', 'name = "mutant"')
    for name in mutation.claims:
        manifest = re.sub(rf"^{name} = .*$", f'{name} = "native"', manifest, flags=re.MULTILINE)
    site.write("dynamo_mutant/__init__.py", PREAMBLE + mutation.code)
    site.write("dynamo_mutant/dynamo-provider.toml", manifest)
    site.add_distribution("dynamo-mutant", "[dynamo.providers]\nmutant = dynamo_mutant:Target\n")


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutant_is_caught_by_its_part_of_the_kit(site: FakeSite, name: str) -> None:
    """At least one test of that part fails."""
    mutation = MUTATIONS[name]
    install(site, mutation)
    options = KitOptions(
        keyword=f"Test{mutation.part}", timeout_s=100, test_limit_s=LIMIT_S, stops_at_failure=True
    )
    run = run_kit("mutant", options)
    failed = [each.test for each in run.outcomes if each.outcome == "failed" and each.part == mutation.part]
    assert failed, run.output


def test_without_a_mutation_nothing_is_caught(site: FakeSite) -> None:
    """The whole kit passes, and the grade is that of the provider in core."""
    install(site, SOUND)
    run = run_kit("mutant", KitOptions(timeout_s=100))
    (candidate,) = [each for each in discover_providers() if each.name == "mutant"]
    report = make_report(candidate, run.outcomes)
    assert report["failures"] == []
    assert report["grade"] == GRADES[-2]
