"""Importing and building the chosen provider."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from dynamo_core.errors import BrokenProviderError, ContractMismatchError, HookError, ManifestError
from dynamo_core.provider import DeploymentTarget
from dynamo_core.provider.discovery import ProviderCandidate, discover_providers
from dynamo_core.provider.loading import load_provider

from .fake_site import PROVIDER

if TYPE_CHECKING:
    from .fake_site import FakeSite


def load(site: FakeSite, source: str, name: str, **facts: str) -> DeploymentTarget:
    """Install a provider with that source, and load it."""
    distribution = site.add_provider(name, source, **facts)
    (candidate,) = [c for c in discover_providers() if c.distribution == distribution]
    return load_provider(candidate)


def test_sound_provider_is_built(site: FakeSite) -> None:
    """It knows its name, and its options."""
    target = load(site, PROVIDER, "sound")
    assert isinstance(target, DeploymentTarget)
    assert target.name == "sound"
    assert target.read_options({"color": "blue"}).color == "blue"


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("raise RuntimeError('no\\n  luck')", "raised RuntimeError: no luck"),
        ("raise SystemExit(3)", "tried to end the program (SystemExit: 3)"),
        ("import sys; sys.exit()", "tried to end the program (SystemExit)"),
        ("import absent_library", "raised ModuleNotFoundError: No module named 'absent_library'"),
        ("raise BaseException('odd')", "raised BaseException: odd"),
        ("raise AttributeError('inside')", "importing 'dynamo_bad' raised AttributeError: inside"),
        ("x = (", "raised SyntaxError"),
        ("", "module 'dynamo_bad' has no 'Target'"),
        ("Target = 3", "is of type int, no subclass"),
        ("class Target: pass", "is Target, no subclass"),
        (
            "from dynamo_core.provider import DeploymentTarget\nclass Target(DeploymentTarget): pass",
            "does not define hooks, options_type",
        ),
        (
            PROVIDER + "\n    def __init__(self, needed): pass\n",
            "must be built without arguments, its constructor is (needed)",
        ),
        (PROVIDER + "\n    def __init__(self): raise SystemExit(1)\n", "Target() raised SystemExit: 1"),
        (
            PROVIDER.replace("options_type = Options", "options_type = dict"),
            "options_type must be an attrs class",
        ),
        (
            PROVIDER.replace('color: str = "red"', "color: str"),
            "every option needs a default, these have none: color",
        ),
        (
            PROVIDER.replace("return Hooks()", "raise RuntimeError('late')"),
            "hooks() raised RuntimeError: late",
        ),
        (PROVIDER.replace("return Hooks()", "raise SystemExit"), "hooks() raised SystemExit"),
    ],
)
def test_broken_provider_has_a_cause_and_a_remedy(site: FakeSite, source: str, cause: str) -> None:
    """Whatever it does to fail, the program goes on and knows the distribution and the command."""
    with pytest.raises(BrokenProviderError) as caught:
        load(site, source, "bad")
    assert cause in caught.value.cause
    assert caught.value.distribution == "dynamo-bad"
    assert "pip install --upgrade --force-reinstall dynamo-bad" in caught.value.remedy


def test_interrupt_while_importing_is_no_fault_of_the_provider(site: FakeSite) -> None:
    """Ctrl-C ends the program, as the user wants."""
    with pytest.raises(KeyboardInterrupt):
        load(site, "raise KeyboardInterrupt", "slow")


def test_wrong_contract_is_refused_before_anything_is_imported(site: FakeSite) -> None:
    """The package does not run."""
    with pytest.raises(ContractMismatchError):
        load(site, "raise RuntimeError('imported')", "newer", contract=">=2")
    assert "dynamo_newer" not in sys.modules


def test_value_is_never_run_as_code(site: FakeSite) -> None:
    """``os:system`` is refused by its missing manifest, and by what it is when that is passed over."""
    with pytest.raises(ManifestError):
        load(site, PROVIDER, "system", value="os:system")
    with pytest.raises(BrokenProviderError, match="no subclass of"):
        load_provider(ProviderCandidate("system", "os:system", "dynamo-system", "1"))


@pytest.mark.parametrize(
    ("before", "after", "hook", "message"),
    [
        ("def create_service(", "def create_servise(", "create_servise", "did you mean 'create_service'"),
        (
            "(self, definition, on, options)",
            "(self, definition, onto, options)",
            "create_dependency",
            "'onto'",
        ),
        (
            "(self, services, options)",
            "(self, services, options=None)",
            "run_services",
            "must have no default",
        ),
        ("(self, services, options)", "(self, services, **options)", "run_services", "is not passed"),
        ("    @hookimpl\n    def run_services", "    def run_services", "run_services", "not implemented"),
    ],
)
def test_hook_that_does_not_fit_is_named(
    site: FakeSite, before: str, after: str, hook: str, message: str
) -> None:
    """A misspelt hook, an argument that does not exist or has a default, and a missing hook fail at the start."""
    with pytest.raises(HookError, match=message) as caught:
        load(site, PROVIDER.replace(before, after), "hooked")
    assert caught.value.provider == "hooked"
    assert caught.value.hook == hook
