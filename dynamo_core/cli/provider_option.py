"""``--provider``, for every command that uses one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from dynamo_core import environment
from dynamo_core.cli.completing import complete_provider

if TYPE_CHECKING:
    from dynamo_core.provider.selection import Selection

F = TypeVar("F", bound=Callable[..., Any])


def provider_option(function: F) -> F:
    """Add ``--provider NAME`` to a command, as its argument ``provider``."""
    return click.option(
        "--provider",
        "provider",
        metavar="NAME",
        shell_complete=complete_provider,
        envvar=environment.PROVIDER,
        show_envvar=True,
        show_default="pyproject.toml, then what is installed",
        help="Provider to use: NAME, or DISTRIBUTION:NAME.",
    )(function)


def explain_choice(ctx: click.Context, provider: str | None) -> Selection:
    """What the command line, the environment and the project choose; imports no provider.

    Args:
        ctx: The command's context.
        provider: Its argument of that name.
    """
    from dynamo_core.provider.selection import explain_selection  # needed only by such commands

    # click reads the variable too, for the sake of --help; selection reads it itself, and can then name it
    is_from_line = ctx.get_parameter_source("provider") is ParameterSource.COMMANDLINE
    return explain_selection(provider if is_from_line else None, environ=os.environ, cwd=Path.cwd())


def choose_provider(ctx: click.Context, provider: str | None) -> Selection:
    """The same, for a command that needs a provider; its ``notice``, if any, is for standard error.

    Raises:
        ProviderError: None could be chosen, or the chosen one cannot be used.
        ConfigError: ``pyproject.toml`` cannot be read.
    """
    selection = explain_choice(ctx, provider)
    if selection.problem is not None:
        raise selection.problem
    return selection
