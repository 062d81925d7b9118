"""Settings read as types."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import attrs
import pytest

from dynamo_core.config import Settings
from dynamo_core.config.yaml_file import parse_yaml
from dynamo_core.errors import ConfigError


class Color(enum.Enum):
    RED = "red"
    FOUR = 4


@dataclasses.dataclass
class Model:
    name: str
    revision: str = "1"
    layers: list[int] = dataclasses.field(default_factory=list)


@attrs.frozen(kw_only=True)
class Cache:
    size: int = attrs.field(validator=attrs.validators.ge(1))
    path: Path | None = None
    model: Model | None = None


def read(text: str, annotation: Any) -> Any:
    """Read *text*, as a YAML value, as *annotation*."""
    return Settings(parse_yaml(f"key: {text}", "f"), path=["S"]).typed("key", annotation)


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("1.10", str, "1.10"),
        ("007", str, "007"),
        ("no", str, "no"),
        ("007", int, 7),
        ('"007"', int, 7),
        ("0x1F", int, 31),
        ("3", float, 3.0),
        (".inf", float, math.inf),
        ("True", bool, True),
        ("a/b", Path, Path("a/b")),
        ("1.10", Any, 1.1),
        ("[1, no]", object, [1, "no"]),
        ("null", None, None),
        ("~", int | None, None),
        ("3", Optional[int], 3),  # noqa: UP045  # both spellings are met
        ("3", int | str, 3),
        ("x", int | str, "x"),
        ("fast", Literal["fast", "slow"], "fast"),
        ("0x10", Literal[16], 16),
        ("no", Literal["no"], "no"),
        ("red", Color, Color.RED),
        ("4", Color, Color.FOUR),
        ("[1, 007]", list[str], ["1", "007"]),
        ("[1, 007]", Sequence[int], [1, 7]),
        ("[1, 1]", set[int], {1}),
        ("[1, 2]", tuple[int, ...], (1, 2)),
        ("[1, 1.10]", tuple[int, str], (1, "1.10")),
        ("[1, a]", list, [1, "a"]),
        ("{a: 1.10}", dict[str, str], {"a": "1.10"}),
        ("{1: 2}", Mapping[int, float], {1: 2.0}),
        ("{a: {b: 1.0}}", dict[str, Any], {"a": {"b": 1.0}}),
        ("5", Annotated[int, "seconds"], 5),
        ("{name: 1.10, layers: [1, 2]}", Model, Model("1.10", "1", [1, 2])),
        ("{size: 3, model: {name: a}}", Cache, Cache(size=3, model=Model("a"))),
    ],
)
def test_the_text_is_read_as_the_type_asked_for(text: str, annotation: Any, value: Any) -> None:
    found = read(text, annotation)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "annotation", "message"),
    [
        ("1.5", int, "S.key must be a whole number, got 1.5"),
        ("yes", bool, "S.key must be true or false, got yes"),
        ("true", int, "S.key must be a whole number, got true"),
        ("a", float, "S.key must be a number, got a"),
        ("[1]", str, "S.key must be a text, got a list"),
        ("1", list[int], "S.key must be a list, got 1"),
        (
            "[1, a, b]",
            list[int],
            r"S.key\[1\] must be a whole number, got a\n.*S.key\[2\] must be a whole number",
        ),
        ("[1]", tuple[int, int], "S.key must be a list of 2, got a list"),
        ("{a: b}", dict[str, int], "S.key.a must be a whole number, got b"),
        ("{a: 1}", dict[int, int], "S.key.a must be a whole number, got 'a'"),
        ("1", dict[str, int], "S.key must be a mapping, got 1"),
        ("other", Literal["fast", "slow"], "S.key must be one of fast, slow, got other"),
        ("true", Literal[1], "S.key must be one of 1, got true"),
        ("blue", Color, "S.key must be one of red, 4, got blue"),
        ("x", int | bool, "S.key must be a whole number or true or false, got x"),
        ("[x]", int | list[int], r"S.key\[0\] must be a whole number, got x"),
        ("1", None, "S.key must be null, got 1"),
        ("{nam: a}", Model, "S.key has no key 'nam', did you mean 'name'.*\n.*S.key lacks 'name'"),
        ("{name: a, layers: [b]}", Model, r"S.key.layers\[0\] must be a whole number, got b"),
        ("{size: 0}", Cache, "S.key is refused: 'size' must be >= 1"),
        ("a", Cache, "S.key must be a mapping, got a"),
    ],
)
def test_what_does_not_fit_is_told_with_its_path(text: str, annotation: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(text, annotation)


@pytest.mark.parametrize("annotation", [bytes, complex, list[bytes], type, "int"])
def test_other_annotations_are_a_mistake_of_the_program(annotation: Any) -> None:
    with pytest.raises(TypeError, match="settings cannot be read as"):
        read("1", annotation)
