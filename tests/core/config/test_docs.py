"""The reference names every key with its default, and its examples run."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import attrs
import pytest

import dynamo_core
from dynamo_core.config import (
    DynamoConfig,
    FailurePolicy,
    GraphSettings,
    HttpConfig,
    ResourceConfig,
    ServiceConfig,
    SupervisionConfig,
    TrafficConfig,
)
from dynamo_core.config.nodes import Table
from dynamo_core.config.overrides import is_override, parse_overrides
from dynamo_core.config.record import ConfigRecord
from dynamo_core.config.yaml_file import parse_yaml
from dynamo_core.context import ServiceContext
from dynamo_core.errors import ConfigError
from dynamo_core.graph import ServiceGraph, collect

PAGE = Path(dynamo_core.__file__).parents[1] / "docs" / "reference" / "configuration.md"
TEXT = PAGE.read_text("utf-8")
SECTIONS = {
    "## ServiceArgs": ServiceConfig,
    "### resources": ResourceConfig,
    "### dynamo": DynamoConfig,
    "### http": HttpConfig,
    "### traffic": TrafficConfig,
    "### supervision": SupervisionConfig,
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def rows_of(heading: str) -> dict[str, str]:
    """Default by key, from the first table under *heading*."""
    section = TEXT.partition(f"\n{heading}\n")[2].partition("\n#")[0]
    rows = re.findall(r"^\| `(\w+)` \| [^|\n]+ \|([^|\n]*)\|", section, re.MULTILINE)
    return {key: default.strip().strip("`") for key, default in rows}


def shown(value: object) -> str:
    if isinstance(value, ConfigRecord):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping | tuple):
        return "{}" if isinstance(value, Mapping) else "[]"
    return "null" if value is None else str(value)


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_stands_in_its_section_with_its_default(heading: str) -> None:
    fields = {field.name: shown(field.default) for field in attrs.fields(SECTIONS[heading])}
    if SECTIONS[heading] is ServiceConfig:
        del fields["settings"]
        fields["bind"] = "{}"
    assert rows_of(heading) == fields


@pytest.mark.parametrize("record", SECTIONS.values())
def test_every_field_is_described_by_its_class(record: type[ConfigRecord]) -> None:
    assert record.__doc__ is not None
    described = re.findall(r"^ +(\w+): ", record.__doc__.partition("Attributes:")[2], re.MULTILINE)
    assert described == [field.name for field in attrs.fields(record)]


def test_every_policy_is_explained() -> None:
    for word in get_args(FailurePolicy):
        assert f"| `{word}` | " in TEXT


def test_every_public_member_of_a_context_is_named() -> None:
    members = [name for name in dir(ServiceContext) if not name.startswith("_")]
    for name in set(members) - {"secrets"}:
        assert re.search(rf"`(context)?\.{name}\b", TEXT), name


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The page's Python code."""
    (code,) = blocks("python")
    (tmp_path / "graph_of_the_page.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("graph_of_the_page")
    del sys.modules["graph_of_the_page"]


def apply(module: ModuleType, *sources: Table) -> ServiceGraph:
    settings = GraphSettings.of(*sources)
    bindings: dict[tuple[str, str], str] = {("Frontend", "scorer"): "Backend", **settings.bindings()}
    found: Any = collect(module.Frontend, bindings=bindings)
    applied: ServiceGraph = settings.apply(found)
    return applied


def test_the_file_and_the_command_line_of_the_page_are_taken(module: ModuleType) -> None:
    file = parse_yaml(blocks("yaml")[0], "app.yaml")
    (command,) = blocks("sh")
    line = [word for word in shlex.split(command.replace("\\\n", "")) if is_override(word)]
    assert len(line) == 6
    backend = apply(module, file, parse_overrides(line)).find_service("Backend").config
    assert backend.workers == 3
    assert backend.envs == {"MODE": "fast", "LEVEL": "007"}
    assert backend.settings.text("version") == "1.10"
    assert backend.settings == {
        "model": "large",
        "version": 1.1,
        "factor": 2,
        "verbose": True,
        "stops": ["a", "b"],
        "cache": {"size": 10},
    }


def test_the_mistakes_of_the_page_are_told_as_it_says(module: ModuleType) -> None:
    with pytest.raises(ConfigError) as caught:
        apply(module, parse_yaml(blocks("yaml")[1], "app.yaml"))
    told = [re.sub(r"\(keys: .*\)", "(keys: ...)", str(problem)) for problem in caught.value.problems]
    assert told == blocks("text")[0].splitlines()


ARGUMENTS = re.findall(r"^\| `([^|`]+)`(?:, `([^|`]+)`)? \| (?:`(--[^|]+)`|none) \|$", TEXT, re.MULTILINE)


@pytest.mark.parametrize(
    ("setting", "arguments"),
    [(setting, arguments) for *settings, arguments in ARGUMENTS for setting in settings if setting],
)
def test_settings_become_the_arguments_of_the_page(setting: str, arguments: str) -> None:
    config = ServiceConfig(settings=parse_yaml(setting, "f"))  # type: ignore[arg-type]  # a node is taken too
    context = ServiceContext(service="Backend", slot=0, run_id="r", graph="g", config=config)
    assert context.as_args() == arguments.split()


MEANINGS = re.findall(r"^\| (.+) \| (file|command line) \| (.+) \|$", TEXT, re.MULTILINE)
TYPES = {
    "None": "NoneType",
    "a boolean": "bool",
    "a whole number": "int",
    "a floating-point number": "float",
    "a text": "str",
}


@pytest.mark.parametrize(
    ("written", "where", "meaning"),
    [
        (written, where, meaning)
        for shown, where, meaning in MEANINGS
        if meaning in TYPES
        for written in re.findall(r"`([^`]+)`", shown)
    ],
)
def test_scalars_mean_what_the_page_says(written: str, where: str, meaning: str) -> None:
    if where == "file":
        found = parse_yaml(f"S: {{key: {written}}}", "f")
    else:
        found = parse_overrides([f"--S.key={written}"])
    section = found.entries["S"]
    assert isinstance(section, Table)
    value = ServiceConfig(settings=section).settings["key"]  # type: ignore[arg-type]  # a node is taken too
    assert type(value).__name__ == TYPES[meaning]
