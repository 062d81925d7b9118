"""``dynamo providers new``."""

from __future__ import annotations

from pathlib import Path

import click

from dynamo_core.cli.console import message, write, write_json
from dynamo_core.cli.providers.states import json_option
from dynamo_core.provider.discovery import discover_providers
from dynamo_core.scaffold.making import NewProvider, make_project


@click.command(short_help="Make the project of a new provider.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    show_default="dynamo-NAME",
    help="Folder of the project; made, and refused when something is in it.",
)
@json_option
@click.argument("name")
def new(name: str, into: Path | None, as_json: bool) -> None:
    """Make the project of a new provider NAME: a distribution that works, and passes the conformance kit.

    It runs services as subprocesses, through core's own workers and transport; what starts them is one small module,
    which is where another runtime goes.
    """
    provider = NewProvider.named(name)
    for found in discover_providers():
        if found.name == name:
            message(
                f"{found.distribution} offers a provider of that name already; where both are installed, each must be "
                f"asked for as DISTRIBUTION:{name}",
                kind="warning",
            )
    folder = into or Path(provider.distribution)
    written = [str(path.relative_to(folder)) for path in make_project(provider, folder)]
    if as_json:
        write_json({"folder": str(folder), "files": written})
        return
    for path in written:
        write(str(folder / path))
    message(f"next: cd {folder}, pip install -e '.[test]', dynamo providers test {name}", kind="note")
