"""The grammar of names."""

from __future__ import annotations

import pytest

from dynamo_core.config import check_name
from dynamo_core.errors import ConfigError


@pytest.mark.parametrize("name", ["a", "Backend", "kv-router_2", "a" * 64])
def test_names_that_fit_are_given_back(name: str) -> None:
    assert check_name(name, what="a name") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../x",
        "a/b",
        "a" * 65,
        "a\n",
        "a\0",
        "-rf",
        "_a",
        "1a",
        "circus.env.X",
        "$(x)",
        "Bäckend",
        "٣a",
        None,
        3,
    ],
)
def test_names_that_could_mean_something_elsewhere_are_refused(name: str) -> None:
    """Paths, options, expansions, control characters and other alphabets; the message has the rule."""
    with pytest.raises(ConfigError, match=r"a service's name must fit \[A-Za-z\]\[A-Za-z0-9_-\]\{0,63\}"):
        check_name(name, what="a service's name")


def test_a_long_name_does_not_flood_the_message() -> None:
    with pytest.raises(ConfigError) as caught:
        check_name("x" * 100_000, what="a name")
    assert len(str(caught.value)) < 300
