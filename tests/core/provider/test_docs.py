"""The reference names everything that is part of the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

import dynamo_core.provider
from dynamo_core.provider import (
    CAPABILITIES,
    EVENT_KINDS,
    LEVELS,
    BoundGraph,
    DependencyInterface,
    DeploymentTarget,
    RunningServices,
    ServiceInterface,
)
from dynamo_core.provider.capabilities import LEVEL_MEANINGS
from dynamo_core.provider.contract import CONTRACT_VERSION, format_version
from dynamo_core.provider.hookspecs import HOOK_NAMES

PAGE = Path(dynamo_core.__file__).parents[1] / "docs" / "reference" / "hooks-and-interfaces.md"
INSIDE = {"read_options", "check_graph", "hook_manager", "check_hooks", "take_name"}
"""Members of ``DeploymentTarget`` that core alone uses."""


@pytest.fixture(scope="module")
def text() -> str:
    return PAGE.read_text("utf-8")


def test_every_hook_is_named(text: str) -> None:
    """With its arguments."""
    import inspect

    from dynamo_core.provider import ProviderHooks

    for name in HOOK_NAMES:
        arguments = list(inspect.signature(getattr(ProviderHooks, name)).parameters)[1:]
        assert f"| `{name}({', '.join(arguments)})` |" in text


@pytest.mark.parametrize(
    "interface", [ServiceInterface, DependencyInterface, RunningServices, DeploymentTarget, BoundGraph]
)
def test_every_member_of_an_interface_is_named(text: str, interface: type) -> None:
    """In the section of its interface, or in the one about the hooks."""
    for name in vars(interface):
        if not name.startswith("_") and name not in INSIDE:
            assert f"| `{name}" in text, name


def test_every_capability_level_and_event_is_named(text: str) -> None:
    """With the meaning the code has for it."""
    for table in (CAPABILITIES, LEVEL_MEANINGS):
        for name, meaning in table.items():
            assert f"| `{name}` | {meaning} |" in text
    assert set(LEVELS) == set(LEVEL_MEANINGS)
    for kind in EVENT_KINDS:
        assert f"| `{kind}` |" in text


def test_contract_version_is_the_one_offered(text: str) -> None:
    """The page must not lag behind."""
    assert f"offers {format_version(CONTRACT_VERSION)} (`CONTRACT_VERSION`)" in text


def test_every_public_name_can_be_imported_and_is_sorted() -> None:
    """Names are imported late, so a typing mistake would show late."""
    names = dynamo_core.provider.__all__
    assert dir(dynamo_core.provider) == sorted(names)
    for name in names:
        assert getattr(dynamo_core.provider, name) is not None
    with pytest.raises(AttributeError):
        _ = dynamo_core.provider.absent  # type: ignore[attr-defined]  # what is tested
