"""Whatever a user can set or meet is named in ``docs/``."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import attrs
import pytest

from dynamo_core import config, errors
from dynamo_core.cli import entry
from dynamo_core.provider.hookspecs import HOOK_NAMES
from dynamo_core.provider.manifest import find_manifest, read_manifest

from .pages_for_tests import DOCS, ROOT

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

TEXT = "\n".join(page.text for page in DOCS)
SOURCES = [*(ROOT / "dynamo_core").rglob("*.py"), *(ROOT / "plugins").glob("*/dynamo_*/**/*.py")]
VARIABLES = sorted(
    {name for source in SOURCES for name in re.findall(r'"(DYNAMO_[A-Z_]+[A-Z])"', source.read_text("utf-8"))}
)
CONFIG_CLASSES = [
    each for name in config.__all__ if attrs.has(each := getattr(config, name)) and name.endswith("Config")
]
FIELDS = [f"{each.__name__}.{field.name}" for each in CONFIG_CLASSES for field in attrs.fields(each)]
PROVIDERS = sorted(entry_points(group="dynamo.providers"), key=lambda provider: provider.name)
EXIT_CODES = [
    (name, value)
    for module in (errors, entry)
    for name, value in vars(module).items()
    if name.startswith("EXIT_")
]


@pytest.mark.parametrize("name", VARIABLES)
def test_environment_variable_is_documented(name: str) -> None:
    """Every one that the code has, whether read or set."""
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize("field", FIELDS)
def test_config_field_is_documented(field: str) -> None:
    """Every field of every class of the configuration, in the reference of the configuration."""
    page = next(page for page in DOCS if page.name == "docs/reference/configuration.md")
    name = field.partition(".")[2]
    assert re.search(rf"`(\w+\.)*{name}`", page.text) is not None


def page_of(provider: EntryPoint) -> str:
    """The README of a provider's distribution, or its page of the reference."""
    readme = ROOT / "plugins" / provider.module.partition(".")[0] / "README.md"
    page = readme if readme.exists() else ROOT / "docs" / "reference" / f"{provider.name}.md"
    return page.read_text("utf-8")


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_options_of_a_provider_are_documented(provider: EntryPoint) -> None:
    """On its own page."""
    for field in attrs.fields(provider.load().options_type):
        assert f"\n| `{field.alias}` | " in page_of(provider), field.alias


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_what_a_provider_lacks_is_told_as_its_manifest_has_it(provider: EntryPoint) -> None:
    """Every capability that has a reason, and no other."""
    manifest = read_manifest(find_manifest(provider.module))
    reasons = {c.name: (c.level, c.reason) for c in manifest.capabilities.values() if c.reason}
    rows = re.findall(
        r"^\| `(\w+)` \| (native|emulated|ignored|refused) \| (.+) \|$", page_of(provider), re.MULTILINE
    )
    assert {name: (level, reason) for name, level, reason in rows} == reasons


@pytest.mark.parametrize("hook", HOOK_NAMES)
def test_hook_is_documented(hook: str) -> None:
    """Every hook of a provider."""
    assert f"`{hook}(" in TEXT


@pytest.mark.parametrize(("name", "code"), EXIT_CODES)
def test_exit_code_is_documented(name: str, code: int) -> None:
    """Number and name stand in one row."""
    assert f"| {code} | `{name}` |" in TEXT
