"""Options of the providers, as ``dynamo serve -o`` reads them."""

from __future__ import annotations

from typing import Any, get_type_hints

import attrs
import pytest

from dynamo_circus import CircusDeploymentTarget
from dynamo_core.cli.serve_options import _convert
from dynamo_core.inprocess import InProcessDeploymentTarget

VALUES = {
    "args": ('["a b", "c"]', ["a b", "c"]),
    "command": ('["a b"]', ["a b"]),
    "devices": ('["0", "GPU-1"]', ["0", "GPU-1"]),
    "env_vars": ('{"A": "1"}', {"A": "1"}),
    "check_delay_s": ("0.5", 0.5),
    "startup_timeout_s": ("20", 20.0),
    "log_max_bytes": ("100000", 100_000),
    "reload": ("true", True),
}


@pytest.mark.parametrize("target", [CircusDeploymentTarget(), InProcessDeploymentTarget()])
def test_every_option_has_a_type_that_can_be_read(target: Any) -> None:
    """Else the command line could not give it."""
    hints = get_type_hints(target.options_type)
    for field in attrs.fields(target.options_type):
        assert field.name in hints
        if field.name in VALUES:
            text, value = VALUES[field.name]
            found = _convert(target, field.name, text)
            assert (list(found) if isinstance(found, tuple) else found) == value
