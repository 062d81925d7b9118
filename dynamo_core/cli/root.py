"""The command ``dynamo`` itself."""

from __future__ import annotations

import click

from dynamo_core._version import __version__
from dynamo_core.cli.commands import COMMANDS
from dynamo_core.cli.group import LazyGroup


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--debug", is_flag=True, help="Show the traceback of an unexpected error.")
@click.version_option(__version__, prog_name="dynamo")
def dynamo(debug: bool) -> None:
    """Run graphs of Python services on whatever runs services where you are."""
