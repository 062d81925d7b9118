"""Which tests of the kit are left out, and why."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dynamo_core.provider import read_manifest
from dynamo_core.testing import conformance
from dynamo_core.testing.conformance.needs import lacking, needs


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "dynamo-provider.toml"
    path.write_text(
        'name = "partial"\nsummary = "x"\ncontract = ">=1.0"\n[capabilities]\nstreams = "native"\n'
        'scale = "emulated"\nlogs = { level = "refused", reason = "nobody writes" }\nrestart = "ignored"\n'
    )
    return read_manifest(path)


def test_capability_that_is_there_is_not_lacking(manifest):
    @needs("streams", "scale")
    def test() -> None: ...

    assert lacking(manifest, test) == ""


@pytest.mark.parametrize(
    ("capability", "reason"),
    [
        ("logs", "partial: logs is refused: nobody writes"),
        ("restart", "partial: restart is ignored"),
        ("http", "partial: http is refused: not stated in its manifest"),
    ],
)
def test_capability_that_is_not_there_is_told_with_its_reason(manifest, capability, reason):
    @needs("streams")
    class Tests: ...

    @needs("scale")
    @needs(capability)
    def test() -> None: ...

    assert lacking(manifest, Tests, test) == reason


def test_every_class_of_the_kit_can_be_imported():
    for name in conformance.__all__:
        assert getattr(conformance, name).__name__ == name
    assert dir(conformance) == sorted(conformance.__all__)
    with pytest.raises(AttributeError, match="NoConformance"):
        _ = conformance.NoConformance


def test_third_party_needs_only_the_fixture(tmp_path):
    """A test file as its author writes it, without any plugin of pytest; assertions are explained there too."""
    tests = tmp_path / "test_ours.py"
    tests.write_text(
        "import pytest\n"
        "from dynamo_core.testing.conformance import CallConformance\n"
        "class TestOurCalls(CallConformance):\n"
        "    @pytest.fixture\n"
        "    def provider_name(self) -> str:\n"
        "        return 'inprocess'\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", str(tests)],
        cwd=tmp_path,
        env={"PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
    assert "failed" not in done.stdout


def test_provider_that_is_not_installed_is_told(tmp_path):
    tests = tmp_path / "test_ours.py"
    tests.write_text(
        "import pytest\n"
        "from dynamo_core.testing.conformance import CallConformance\n"
        "class TestOurCalls(CallConformance):\n"
        "    @pytest.fixture\n"
        "    def provider_name(self) -> str:\n"
        "        return 'nobodys'\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(tests)],
        cwd=tmp_path,
        env={"PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no provider is named 'nobodys' (from the fixture provider_name)" in done.stdout
