"""Settings on the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo_core.config import Settings, nodes
from dynamo_core.config.nodes import Kind, Scalar
from dynamo_core.config.overrides import is_override, parse_overrides
from dynamo_core.errors import ConfigError


def settings_of(*arguments: str) -> Settings:
    """What the arguments say of Backend."""
    backend = Settings(parse_overrides(arguments))["Backend"]
    assert isinstance(backend, Settings)
    return backend


@pytest.mark.parametrize(
    ("value", "meant", "text"),
    [
        ("2", 2, "2"),
        ("1.10", 1.1, "1.10"),
        ("1E2", 100.0, "1E2"),
        ("true", True, "true"),
        ("null", None, "null"),
        ('"5"', "5", "5"),
        ("small", "small", "small"),
        ("007", "007", "007"),
        ("True", "True", "True"),
        ("yes", "yes", "yes"),
        ("0x1F", "0x1F", "0x1F"),
        ("NaN", "NaN", "NaN"),
        ("-Infinity", "-Infinity", "-Infinity"),
        ("2Gi", "2Gi", "2Gi"),
        ("", "", ""),
        ("a=b", "a=b", "a=b"),
        ("[1,", "[1,", "[1,"),
        ("$(circus.env.HOME)", "$(circus.env.HOME)", "$(circus.env.HOME)"),
        ("1" * 5000, "1" * 5000, "1" * 5000),
    ],
)
def test_a_value_is_json_or_text(value: str, meant: object, text: str) -> None:
    """And its text is kept either way."""
    found = settings_of(f"--Backend.key={value}")
    assert (found["key"], type(found["key"])) == (meant, type(meant))
    if meant is not None:
        assert found.text("key") == text


def test_lists_and_mappings_keep_the_text_of_their_numbers() -> None:
    found = settings_of('--Backend.key={"a": [1.10, "x", true, null]}')
    assert found["key"] == {"a": [1.1, "x", True, None]}
    assert found["key"].typed("a", list[str | None]) == ["1.10", "x", "true", None]


def test_dots_nest_and_an_argument_without_value_is_true() -> None:
    found = settings_of("--Backend.a.b=1", "--Backend.a.c.d=2", "--Backend.flag", "--Backend.off=false")
    assert found == {"a": {"b": 1, "c": {"d": 2}}, "flag": True, "off": False}


def test_later_arguments_come_before_earlier_ones() -> None:
    assert settings_of("--Backend.a=1", "--Backend.a=2") == {"a": 2}
    assert settings_of('--Backend.a={"b": 1, "c": 1}', "--Backend.a.b=2") == {"a": {"b": 2, "c": 1}}
    assert settings_of("--Backend.a=1", "--Backend.a.b=2") == {"a": {"b": 2}}


def test_mistakes_name_the_argument_and_never_its_value() -> None:
    with pytest.raises(ConfigError, match=r"key must be a number, got 'x' \(from --Backend\.key\)"):
        settings_of("--Backend.key=x").typed("key", float)
    with pytest.raises(ConfigError) as caught:
        parse_overrides(["--Backend..token=hunter2", "--token=hunter2", "--1.a=hunter2"])
    assert len(caught.value.problems) == 3
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Backend.a=1"], r"'Backend.a=...' is no setting: wanted --Service.key=value"),
        (["--Backend=1"], r"'--Backend=...' is no setting: wanted --Service.key=value"),
        (["--Backend=a.b"], r"'--Backend=...' is no setting"),
        (["--Backend."], r"'--Backend.' is no setting"),
        (["--Backend.a.=1"], r"'--Backend.a.=...' is no setting: one of its keys is empty"),
        (["--.a=1"], r"'--.a=...' is no setting"),
        (["--Backend.a", "5"], r"'5' is no setting: wanted --Service.key=value; write --Backend.a=5"),
        (["--Backend.a=1", "5"], r"'5' is no setting: wanted --Service.key=value$"),
        (['--Backend.a={"b": 1, "b": 2}'], r"--Backend.a has the key 'b' twice"),
        (["--Backend.a=" + "[" * 100_000], r"--Backend.a is nested too deeply"),
        (["--Backend.a=" + "[" * 100 + "]" * 100], r"--Backend.a must not be nested deeper than 64 levels"),
        (["--Backend." + ".".join("a" * 100) + "=1"], r"is no setting: it has more than 64 keys"),
    ],
)
def test_other_forms_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_overrides(arguments)


@pytest.mark.parametrize(
    ("argument", "fits"),
    [
        ("--Backend.a", True),
        ("--Backend.a=1", True),
        ("--Common.a=1", True),
        ("--port=1", False),
        ("--provider", False),
        ("--host=127.0.0.1", False),
        ("-B.a=1", False),
        ("Backend.a=1", False),
        ("--file=a.yaml", False),
    ],
)
def test_overrides_are_told_from_options(argument: str, fits: bool) -> None:
    """So that a command can leave its own options to its parser."""
    assert is_override(argument) is fits


@given(st.text())
def test_any_value_is_taken_or_refused(value: str) -> None:
    try:
        found = parse_overrides([f"--Backend.key={value}"])
    except ConfigError:
        return
    assert nodes.from_data(nodes.to_data(found)) == found


@given(st.text().filter(lambda text: text[:1] not in '{["-0123456789tfn \t\r\n'))
def test_text_arrives_as_it_is(value: str) -> None:
    found = parse_overrides([f"--Backend.key={value}"]).entries["Backend"]
    assert isinstance(found, nodes.Table)
    assert found.entries["key"] == Scalar(value, Kind.TEXT)
