"""``dynamo build``: have a provider build a graph into something that can be shipped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from click.core import ParameterSource

from dynamo_core import environment
from dynamo_core.cli.completing import complete_target
from dynamo_core.cli.console import message, write, write_json
from dynamo_core.cli.provider_option import choose_provider, provider_option
from dynamo_core.cli.serve import ServeCommand

HELP: Final = """Build the graph TARGET into something that can be shipped; what that is, the provider says.

TARGET is package.module:Class, path/to/file.py:Class, or either with the name of what link() returned, seen from the
folder that --context names. Settings are given as to 'dynamo serve', and become part of what is built.
"""


class BuildOptions(NamedTuple):
    """The command line of ``dynamo build``."""

    target: str
    file: Path | None
    provider: str | None
    context: Path
    name: str | None
    version: str | None
    packages: tuple[str, ...]
    wheels: tuple[Path, ...]
    as_json: bool
    overrides: tuple[str, ...]


@click.command(cls=ServeCommand, short_help="Build a graph into something that can be shipped.", help=HELP)
@click.argument("target", shell_complete=complete_target)
@click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    envvar=environment.CONFIG,
    show_envvar=True,
    help="Settings of the services, as YAML.",
)
@provider_option
@click.option(
    "--context",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    show_default="the current folder",
    metavar="DIR",
    help="Folder with everything that the graph needs.",
)
@click.option("--name", metavar="NAME", show_default="the graph's", help="Name of what is built.")
@click.option("--version", metavar="VERSION", show_default="made anew", help="Its version.")
@click.option(
    "--package",
    "packages",
    multiple=True,
    metavar="REQUIREMENT",
    help="A package that the graph needs, as pip wants it; may be given several times.",
)
@click.option(
    "--wheel",
    "wheels",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A wheel that is packed and installed, for what no index has; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Say what was built as JSON.")
@click.pass_context
def build(ctx: click.Context, /, **params: Any) -> None:
    """Load a graph in its folder, and hand it to the chosen provider."""
    options = BuildOptions(**params)
    selection = choose_provider(ctx, options.provider)
    if selection.notice is not None:
        message(selection.notice, kind="note")
    from dynamo_core.config import load_graph_settings
    from dynamo_core.loader import load_graph
    from dynamo_core.provider.binding import build_graph
    from dynamo_core.provider.building import BuildRequest
    from dynamo_core.provider.loading import load_provider

    assert selection.candidate is not None, "choose_provider() raises otherwise"
    is_from_line = ctx.get_parameter_source("file") is ParameterSource.COMMANDLINE
    settings = load_graph_settings(options.file if is_from_line else None, options.overrides, os.environ)
    request = BuildRequest(
        target=options.target,
        bindings=settings.bindings(),
        context=options.context.resolve(),
        name=options.name,
        version=options.version,
        packages=options.packages,
        wheels=tuple(wheel.resolve() for wheel in options.wheels),
    )
    os.chdir(request.context)  # the target is seen from there, here as where it will be used
    graph = settings.apply(load_graph(request.target, bindings=request.bindings))
    built = build_graph(load_provider(selection.candidate), graph, request)
    if options.as_json:
        write_json(built.to_data())
        return
    write(built.name)
    message(f"built in {built.path}")
    for step in built.next_steps:
        message(f"  {step}")
