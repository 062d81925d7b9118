"""What a plain scalar means."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo_core.config.core_schema import resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("true", True),
        ("TRUE", True),
        ("False", False),
        ("0", 0),
        ("-12", -12),
        ("+12", 12),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.10", 1.1),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1e3", -1000.0),
        ("1e400", math.inf),
        (".inf", math.inf),
        ("-.INF", -math.inf),
    ],
)
def test_scalars_of_the_core_schema_have_its_types(text: str, value: object) -> None:
    found = resolve(text)
    assert (found, type(found)) == (value, type(value))


def test_not_a_number_is_one() -> None:
    found = resolve(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "yes",
        "on",
        "off",
        "y",
        "n",
        "No",
        "NO",
        "1_000",
        "0b11",
        "1:30",
        "2020-01-01",
        "nULL",
        "tRUE",
        "0O17",
        "0X1F",
        "-0x1",
        "0o8",
        "+.nan",
        "inf",
        "nan",
        ".",
        "e5",
        "1e",
        "1.2.3",
        "٣",
    ],
)
def test_what_is_nothing_else_is_its_own_text(text: str) -> None:
    """Above all what YAML 1.1 made something of."""
    assert resolve(text) == text


def test_an_integer_that_python_will_not_read_stays_text() -> None:
    text = "9" * 5000
    assert resolve(text) == text
    assert resolve("1" * 4000) == int("1" * 4000)


@given(st.text(alphabet="0123456789+-._eExoabINFinfNaA~nultrue", max_size=12))
def test_no_text_is_refused(text: str) -> None:
    assert resolve(text) == text or not isinstance(resolve(text), str)


@given(st.integers())
def test_integers_are_read_as_they_are_written(number: int) -> None:
    assert resolve(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_read_as_they_are_written(number: float) -> None:
    assert resolve(repr(number)) == number
