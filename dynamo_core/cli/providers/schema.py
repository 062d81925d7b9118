"""``dynamo providers schema``."""

from __future__ import annotations

import click

from dynamo_core.cli.console import write_json
from dynamo_core.provider.manifest_schema import manifest_schema


@click.command(short_help="Print the JSON Schema of a provider's manifest.")
def schema() -> None:
    """Print the JSON Schema of dynamo-provider.toml, for editors.

    An editor that knows TOML finds it through a first line '#:schema PATH' in the manifest.
    """
    write_json(manifest_schema())
