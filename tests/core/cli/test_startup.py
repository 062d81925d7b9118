"""What the command imports before it knows what it is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dynamo_core.cli.commands import COMMANDS

if TYPE_CHECKING:
    from ..provider.fake_site import FakeSite

CANARY = "raise RuntimeError('imported')"

SCRIPT = """
import json, sys
from dynamo_core.cli import run
code = run(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def modules_after(site: FakeSite, *arguments: str, **environ: str) -> tuple[int, set[str], str]:
    """Exit code, modules and output of one command."""
    done = site.run("-c", SCRIPT, *arguments, **environ)
    assert done.returncode == 0, done.stderr
    code, modules = json.loads(done.stderr.splitlines()[-1])
    return code, set(modules), done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["providers", "list"],
        ["providers", "--help"],
        ["providers", "explain", "--no-check"],
        ["serve", "--help"],
        ["call", "--help"],
        ["ps", "--json"],
    ],
)
def test_no_provider_is_imported(site: FakeSite, arguments: list[str]) -> None:
    """Neither the chosen one nor any other, nor what they run on."""
    for name in ("canary", "chosen"):
        site.add_provider(name, CANARY)
    code, modules, _ = modules_after(site, *arguments, DYNAMO_PROVIDER="chosen")
    assert code == 0
    for canary in (
        "dynamo_canary",
        "dynamo_chosen",
        "dynamo_circus",
        "circus",
        "bentoml",
        "dynamo_core.inprocess",
    ):
        assert canary not in modules


def test_extension_is_not_imported_by_the_list(site: FakeSite) -> None:
    """Installing one never runs it; running services does."""
    site.write("watching.py", CANARY)
    site.add_distribution("dynamo-watch", "[dynamo.plugins]\nwatch = watching\n")
    _, modules, _ = modules_after(site, "providers", "list")
    assert "watching" not in modules


def test_help_imports_little(site: FakeSite) -> None:
    """No command's module, and nothing that costs time."""
    _, modules, output = modules_after(site, "--help")
    assert "providers" in output
    heavy = {
        "attrs",
        "asyncio",
        "difflib",
        "importlib_metadata",
        "msgspec",
        "pluggy",
        "rich",
        "yaml",
        "tomllib",
    }
    loaded = heavy & modules
    assert not loaded
    commands = {entry.target.partition(":")[0] for entry in COMMANDS.values()}
    assert not commands & modules


def test_list_imports_no_more_than_it_needs(site: FakeSite) -> None:
    """Off a terminal there is no rich, and nothing runs."""
    _, modules, _ = modules_after(site, "providers", "list")
    assert (
        not {"asyncio", "attr", "msgspec", "pluggy", "rich", "yaml", "dynamo_core.provider.target"} & modules
    )


@pytest.mark.parametrize("arguments", [["ps"], ["wait", "--timeout", "0.01"], ["serve", "--help"]])
def test_looking_at_runs_imports_no_transport(site: FakeSite, arguments: list[str]) -> None:
    """Nor what runs services."""
    _, modules, _ = modules_after(site, *arguments, DYNAMO_RUNTIME_DIR=str(site.path))
    assert not {"dynamo_core.transport", "dynamo_core.host", "pluggy", "yaml", "rich"} & modules
