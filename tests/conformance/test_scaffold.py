"""The kit, on the provider that ``dynamo providers new`` makes: green at once."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynamo_core.provider.discovery import discover_providers
from dynamo_core.scaffold.making import NewProvider, make_project
from dynamo_core.testing import conformance

LARGEST_LINES = 150


@pytest.fixture(scope="module", autouse=True)
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The package of a new provider, installed for this process."""
    project = tmp_path_factory.mktemp("made")
    new = NewProvider.named("made")
    make_project(new, project)
    info = project / "dynamo_made-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dynamo-made\nVersion: 0.1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[dynamo.providers]\nmade = dynamo_made:MadeDeploymentTarget\n", "utf-8"
    )
    sys.path.insert(0, str(project))
    importlib.invalidate_caches()
    yield project / new.package
    sys.path.remove(str(project))
    importlib.invalidate_caches()


@pytest.fixture
def provider_name() -> str:
    return "made"


def test_it_is_small(made: Path) -> None:
    """An afternoon's reading."""
    lines = [line for path in made.glob("*.py") for line in path.read_text("utf-8").splitlines()]
    assert len(lines) < LARGEST_LINES


def test_it_is_found_as_it_says() -> None:
    """Its manifest is in order, and claims what the kit tries."""
    (candidate,) = [each for each in discover_providers() if each.name == "made"]
    assert candidate.problem is None
    assert candidate.manifest is not None
    assert candidate.manifest.notes == ()
    assert candidate.manifest.options is not None
    assert list(candidate.manifest.options) == ["nice"]


class TestClaims(conformance.ClaimConformance):
    """The manifest."""


class TestCalls(conformance.CallConformance):
    """Calls."""


class TestLifecycle(conformance.LifecycleConformance):
    """Starting and stopping."""


class TestConfig(conformance.ConfigConformance):
    """Configuration."""


class TestLeftovers(conformance.LeftoverConformance):
    """What is left behind."""


class TestChanges(conformance.ChangeConformance):
    """Scaling and restarting."""


class TestDrain(conformance.DrainConformance):
    """Work under way."""


class TestRemote(conformance.RemoteConformance):
    """Services at an address."""


class TestSecurity(conformance.SecurityConformance):
    """Secrets and sockets."""


class TestRestart(conformance.RestartConformance):
    """Workers that die."""
