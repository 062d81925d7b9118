"""Options of a provider, given by name."""

from __future__ import annotations

import pytest

from dynamo_core.errors import ConfigError

from .fake_provider import FakeOptions, FakeTarget


def test_options_become_the_providers_own_class() -> None:
    """Converters apply."""
    assert FakeTarget().read_options({"size": "3"}) == FakeOptions(size=3)


def test_every_unknown_option_is_named_with_the_nearest() -> None:
    """All at once."""
    with pytest.raises(ConfigError) as caught:
        FakeTarget().read_options({"colour": 1, "weight": 2})
    first, second = (str(problem) for problem in caught.value.problems)
    assert "no option 'colour', did you mean 'color'?" in first
    assert "no option 'weight' (options: color, size)" in second


@pytest.mark.parametrize("given", [{"color": "green"}, {"size": "many"}])
def test_refused_value_is_a_config_error(given: dict[str, str]) -> None:
    """What the class says is passed on."""
    with pytest.raises(ConfigError, match="options of provider 'FakeTarget'"):
        FakeTarget().read_options(given)
