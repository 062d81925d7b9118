"""What ``dynamo_core`` offers, and what importing it costs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import dynamo_core

PROBE = """
import importlib, json, sys, typing
before = set(sys.modules)
{statement}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def modules_after(statement: str) -> set[str]:
    """Modules that *statement* imports beside ``typing`` and ``importlib``."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(statement=statement)],
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    return set(json.loads(done.stdout))


def test_every_name_resolves() -> None:
    """And there are no others."""
    for name in dynamo_core.__all__:
        assert getattr(dynamo_core, name) is not None
    assert dir(dynamo_core) == sorted(dynamo_core.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        dynamo_core.nothing  # noqa: B018  # it must not be there


def test_editors_and_type_checkers_see_the_same_names() -> None:
    """They read the imports under ``TYPE_CHECKING``, from the modules that the names come from at run time."""
    tree = ast.parse(Path(dynamo_core.__file__).read_text(encoding="utf-8"))
    shown = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert shown == dynamo_core._MODULES
    assert sorted(shown) == sorted(dynamo_core.__all__)


def test_importing_the_package_imports_next_to_nothing() -> None:
    """It stands on the way of ``dynamo --help``."""
    assert modules_after("import dynamo_core") == {
        "__future__",
        "dynamo_core",
        "dynamo_core.lazy_names",
    }


@pytest.mark.parametrize("name", sorted({*dynamo_core.__all__} - {"__version__"}))
def test_name_is_the_same_whatever_was_imported_before(name: str) -> None:
    """No module of the package hides a name of it, as one called like a decorator would."""
    module = dynamo_core._MODULES[name]
    assert module.rpartition(".")[2] != name


def test_declaring_imports_no_machinery() -> None:
    """Neither the transport nor HTTP, values, providers or an event loop; only attrs."""
    loaded = modules_after(
        "from dynamo_core import api, depends, endpoint, on_start, service, ServiceContext"
    )
    roots = {name.partition(".")[0] for name in loaded}
    assert not roots & {"asyncio", "circus", "msgspec", "pluggy", "pydantic", "rich", "starlette", "yaml"}
    ours = {name.split(".")[1] for name in loaded if name.startswith("dynamo_core.")}
    assert ours <= {
        "config",
        "context",
        "dependency",
        "endpoint_mark",
        "environment",
        "errors",
        "lazy_names",
        "lifecycle",
        "local_names",
        "service_mark",
        "source_location",
    }
