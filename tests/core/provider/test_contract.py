"""Contract versions and ranges."""

from __future__ import annotations

import pytest

from dynamo_core.provider.contract import CONTRACT_VERSION, ContractRange, format_version


@pytest.mark.parametrize(
    ("text", "accepted", "refused"),
    [
        (">=1.0,<2", [(1, 0), (1, 99)], [(0, 9), (2, 0)]),
        ("==1.2", [(1, 2)], [(1, 1), (1, 3)]),
        (">1.0, <=1.3", [(1, 1), (1, 3)], [(1, 0), (1, 4)]),
        (">=2", [(2, 0), (3, 1)], [(1, 9)]),
    ],
)
def test_range_accepts(text: str, accepted: list[tuple[int, int]], refused: list[tuple[int, int]]) -> None:
    """Every clause of a range must accept a version."""
    contract = ContractRange.parse(text)
    assert all(contract.accepts(version) for version in accepted)
    assert not any(contract.accepts(version) for version in refused)


@pytest.mark.parametrize("text", ["", "1.0", ">=1.0.0", "~=1.0", ">=1,", ">=a", ">=\u0661", ">=1 <2"])
def test_what_is_no_range_is_refused(text: str) -> None:
    """The text is quoted, and an example given."""
    with pytest.raises(ValueError, match="contract must be a range such as"):
        ContractRange.parse(text)


@pytest.mark.parametrize(
    ("text", "side"),
    [(">=2.0", "dynamo-core"), (">1.0", "dynamo-core"), ("<1.0", "the provider"), ("==0.9", "the provider")],
)
def test_side_to_upgrade_is_the_older_one(text: str, side: str) -> None:
    """A provider that wants more asks for a newer core; one that wants less is too old itself."""
    assert ContractRange.parse(text).side_to_upgrade((1, 0)) == side


def test_offered_version_is_a_pair() -> None:
    """It is written with a point."""
    assert format_version(CONTRACT_VERSION) == "1.0"
