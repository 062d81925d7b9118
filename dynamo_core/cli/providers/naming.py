"""The argument ``NAME`` of commands about one provider."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dynamo_core.cli.completing import complete_provider
from dynamo_core.provider.selection import Selection, explain_selection

if TYPE_CHECKING:
    from dynamo_core.provider.discovery import ProviderCandidate

F = TypeVar("F", bound=Callable[..., Any])


def name_argument(function: F) -> F:
    """Add the argument ``NAME`` to a command: a provider's name, or ``DISTRIBUTION:NAME``."""
    return click.argument("name", metavar="NAME", shell_complete=complete_provider)(function)


def find_selection(name: str) -> Selection:
    """The choice of the provider of that name, whether it works or not.

    Raises:
        ProviderError: There is none, or more than one.
        ConfigError: The allow list cannot be read.
    """
    selection = explain_selection(
        name, environ=os.environ, cwd=Path.cwd(), explicit_source="the command line"
    )
    if selection.candidate is None:
        assert selection.problem is not None, "nothing was chosen for a reason"
        raise selection.problem
    return selection


def find_sound(name: str) -> ProviderCandidate:
    """The provider of that name, as long as nothing speaks against importing it.

    Raises:
        ProviderError: There is none, more than one, or its metadata are not in order.
        ConfigError: The allow list cannot be read.
    """
    candidate = find_selection(name).candidate
    assert candidate is not None, "find_selection() raises otherwise"
    if candidate.problem is not None:
        raise candidate.problem
    return candidate
