"""A service's own settings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo_core.config import Settings
from dynamo_core.config.yaml_file import parse_yaml
from dynamo_core.errors import ConfigError, MissingSettingError

TEXT = """
model: small
version: 1.10
code: 007
country: no
day: 2020-01-01
many: 1_000
mode: 0o17
quoted: "12"
flag: true
nothing:
deep:
  list: [1, {a: 2}, "3"]
  rate: 0.50
"""


@pytest.fixture
def settings() -> Settings:
    return Settings(parse_yaml(TEXT, "app.yaml"), path=["Backend"])


def test_untyped_access_gives_the_core_schemas_types(settings: Settings) -> None:
    assert settings.to_plain() == {
        "model": "small",
        "version": 1.1,
        "code": 7,
        "country": "no",
        "day": "2020-01-01",
        "many": "1_000",
        "mode": 15,
        "quoted": "12",
        "flag": True,
        "nothing": None,
        "deep": {"list": [1, {"a": 2}, "3"], "rate": 0.5},
    }
    assert settings["code"] == 7
    assert settings["nothing"] is None


def test_text_is_what_was_written(settings: Settings) -> None:
    names = ("version", "code", "country", "day", "many", "mode", "quoted", "flag")
    assert [settings.text(name) for name in names] == [
        "1.10",
        "007",
        "no",
        "2020-01-01",
        "1_000",
        "0o17",
        "12",
        "true",
    ]
    assert settings["deep"].text("rate") == "0.50"


def test_it_is_a_mapping(settings: Settings) -> None:
    assert list(settings)[:2] == ["model", "version"]
    assert len(settings) == 11
    assert "model" in settings
    assert "absent" not in settings
    assert settings.get("absent") is None
    assert settings.get("absent", 3) == 3
    assert settings.get("model") == "small"
    assert dict(**settings["deep"])["rate"] == 0.5
    assert settings["deep"]["list"][1]["a"] == 2


def test_it_equals_a_mapping_of_the_same_values(settings: Settings) -> None:
    assert settings["deep"] == {"list": [1, {"a": 2}, "3"], "rate": 0.5}
    assert settings != {"model": "small"}
    assert settings != 3
    assert Settings({"a": 1.10}) != Settings(parse_yaml("a: 1.10", "f"))


def test_nothing_can_be_changed(settings: Settings) -> None:
    with pytest.raises(TypeError):
        settings["model"] = "large"  # type: ignore[index]  # what is tested
    settings["deep"]["list"].append(4)
    assert len(settings["deep"]["list"]) == 3


def test_a_missing_setting_says_how_to_give_it(settings: Settings) -> None:
    with pytest.raises(MissingSettingError) as caught:
        settings["modell"]
    assert str(caught.value) == (
        "the setting Backend.modell is missing (give it in the file named by -f, or as --Backend.modell=VALUE), "
        "did you mean 'model'?"
    )
    assert caught.value.path == "Backend.modell"
    with pytest.raises(KeyError):
        settings["deep"]["rates"]
    with pytest.raises(ConfigError, match=r"Backend\.deep\.rates is missing"):
        settings["deep"].text("rates")


def test_defaults_stand_in_for_missing_settings_only(settings: Settings) -> None:
    assert settings.text("absent", None) is None
    assert settings.typed("absent", int, 3) == 3
    with pytest.raises(
        ConfigError, match=r"app\.yaml:11: Backend\.nothing must be a whole number, got nothing"
    ):
        settings.typed("nothing", int, 3)


def test_mistakes_name_path_file_and_line(settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"^app\.yaml:2: Backend\.model must be a number, got small$"):
        settings.typed("model", float)
    with pytest.raises(ConfigError, match=r"^app\.yaml:13: Backend\.deep must be a text, got a mapping$"):
        settings.text("deep")


def test_places_survive_the_way_to_a_worker(settings: Settings) -> None:
    there = Settings.from_data(settings.to_data()).located_at("Backend")
    assert there == settings
    with pytest.raises(ConfigError, match=r"app\.yaml:2: Backend\.model must be"):
        there.typed("model", int)


def test_repr_shows_no_values(settings: Settings) -> None:
    assert "model" in repr(settings)
    assert "small" not in repr(settings)


JSON_LIKE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON_LIKE, max_size=5))
def test_python_values_come_back_as_they_were(values: dict[str, Any]) -> None:
    settings = Settings(values)
    assert settings.to_plain() == values
    assert Settings.from_data(settings.to_data()).to_plain() == values
    assert repr(Settings(values).to_plain()) == repr(values)
