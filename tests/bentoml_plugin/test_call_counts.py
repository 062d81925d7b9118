"""What stands before endpoints to count their calls."""

from __future__ import annotations

import inspect

import pytest

from dynamo_bentoml.call_counts import _Counted
from dynamo_core.host import HostedEndpoint


@pytest.mark.parametrize("name", ["call", "stream", "feed"])
def test_it_takes_what_the_endpoint_takes(name: str) -> None:
    """Whatever carries calls gives it the same arguments."""
    wanted = inspect.signature(getattr(HostedEndpoint, name)).parameters
    taken = inspect.signature(getattr(_Counted, name)).parameters
    assert [(each.name, each.default, each.kind) for each in taken.values()] == [
        (each.name, each.default, each.kind) for each in wanted.values()
    ]
