"""Whatever a user can set or meet is named in ``docs/``."""

from __future__ import annotations

import re

import attrs
import pytest

from dynamo_core import config, errors
from dynamo_core.cli import entry
from dynamo_core.provider.hookspecs import HOOK_NAMES

from .pages_for_tests import DOCS, ROOT

TEXT = "\n".join(page.text for page in DOCS)
SOURCES = [*(ROOT / "dynamo_core").rglob("*.py"), *(ROOT / "plugins").glob("*/dynamo_*/**/*.py")]
VARIABLES = sorted(
    {name for source in SOURCES for name in re.findall(r'"(DYNAMO_[A-Z_]+[A-Z])"', source.read_text("utf-8"))}
)
CONFIG_CLASSES = [
    each for name in config.__all__ if attrs.has(each := getattr(config, name)) and name.endswith("Config")
]
FIELDS = [f"{each.__name__}.{field.name}" for each in CONFIG_CLASSES for field in attrs.fields(each)]
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


@pytest.mark.parametrize("hook", HOOK_NAMES)
def test_hook_is_documented(hook: str) -> None:
    """Every hook of a provider."""
    assert f"`{hook}(" in TEXT


@pytest.mark.parametrize(("name", "code"), EXIT_CODES)
def test_exit_code_is_documented(name: str, code: int) -> None:
    """Number and name stand in one row."""
    assert f"| {code} | `{name}` |" in TEXT
