"""The JSON Schema of a manifest agrees with what is read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import dynamo_core
from dynamo_core.provider.manifest import read_manifest
from dynamo_core.provider.manifest_schema import manifest_schema

SCHEMA = manifest_schema()
ROOT = Path(dynamo_core.__file__).parents[1]
MANIFESTS = sorted(
    path
    for folder in ("dynamo_core", "plugins", "examples")
    for path in (ROOT / folder).rglob("dynamo-provider.toml")
)
TYPES = {"string": str, "object": dict, "array": list}
SOUND = 'name = "one"\nsummary = "x"\ncontract = ">=1.0,<2"\n'


def mistakes(value: Any, schema: dict[str, Any], path: str = "") -> list[str]:
    """What a validator would say; knows the keywords that the schema uses, and refuses others."""
    known = {"$schema", "title", "description", "$defs", "$ref", "type", "enum", "pattern", "oneOf"}
    assert set(schema) <= known | {"required", "properties", "additionalProperties"}, schema
    found = []
    if "$ref" in schema:
        found += mistakes(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], path)
    if "oneOf" in schema and sum(not mistakes(value, each, path) for each in schema["oneOf"]) != 1:
        found.append(f"{path} fits none")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{path} is none of {schema['enum']}")
    if "type" in schema and not isinstance(value, TYPES[schema["type"]]):
        return [*found, f"{path} is no {schema['type']}"]
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{path} does not fit {schema['pattern']}")
    if isinstance(value, dict):
        found += [f"{path}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, inner in value.items():
            rule = schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))
            found += (
                [f"{path}.{name} is unknown"] if rule is False else mistakes(inner, rule, f"{path}.{name}")
            )
    return found


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.parent.name)
def test_manifests_of_this_repository_fit(path: Path) -> None:
    """And are read without a note."""
    assert mistakes(tomllib.loads(path.read_text("utf-8")), SCHEMA) == []
    assert read_manifest(path).notes == ()


@pytest.mark.parametrize(
    "text",
    [
        SOUND.replace('"one"', '"One"'),
        SOUND.replace('"x"', '""'),
        SOUND.replace(">=1.0,<2", "~=1.0"),
        SOUND.replace('name = "one"\n', ""),
        f"{SOUND}maturity = 'ripe'\n",
        f"{SOUND}colour = 'red'\n",
        f"{SOUND}[capabilities]\nstreams = 'perhaps'\n",
        f"{SOUND}[capabilities]\nstream = 'native'\n",
        f"{SOUND}[capabilities]\nstreams = {{ level = 'native', why = 'x' }}\n",
        f"{SOUND}[options.color]\ntype = 'text'\nsummary = 'x'\n",
        f"{SOUND}[options.color]\ntype = 'string'\n",
    ],
)
def test_what_is_wrong_or_not_understood_does_not_fit(text: str) -> None:
    """The schema is for authors, and so stricter than reading is."""
    assert mistakes(tomllib.loads(text), SCHEMA) != []


def test_sound_one_fits() -> None:
    """What is needed is enough."""
    assert mistakes(tomllib.loads(SOUND), SCHEMA) == []


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("options = 3", "options must be a table"),
        ("[options]\ncolor = 3", "options.color must be a table"),
        ("[options.color]\ntype = 'text'\nsummary = 'x'", "options.color.type must be one of string"),
        ("[options.color]\ntype = 'string'", "options.color.summary must be a text of one line, got None"),
        (
            "[options.color]\ntype = 'integer'\nsummary = 'x'\ndefault = true",
            "must be of type integer, got True",
        ),
        ("[options.color]\ntype = 'string'\nsummary = 'x'\nchoices = [1]", "choices must be of type string"),
        ("[options.color]\ntype = 'string'\nsummary = 'x'\nchoices = 'a'", "choices must be an array"),
        ("maturity = 'ripe'", "maturity must be one of experimental, beta, stable"),
        ("docs = ''", "docs must be a text of one line"),
    ],
)
def test_wrong_options_are_told_with_their_place(tmp_path: Path, table: str, message: str) -> None:
    """As every other mistake of a manifest is."""
    path = tmp_path / "dynamo-provider.toml"
    path.write_text(f"{SOUND}{table}\n")
    with pytest.raises(ValueError, match=re.escape(message)):
        read_manifest(path)


def test_unknown_field_of_an_option_is_noted(tmp_path: Path) -> None:
    """A newer contract may have added it."""
    path = tmp_path / "dynamo-provider.toml"
    path.write_text(f"{SOUND}[options.color]\ntype = 'string'\nsummary = 'x'\nchoice = ['a']\n")
    assert read_manifest(path).notes == ("unknown field 'choice' of option 'color', did you mean 'choices'?",)
