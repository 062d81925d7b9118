"""``dynamo providers``: what is installed, which is used, and how good it is."""

from __future__ import annotations

from typing import Final

import click

from dynamo_core.cli.commands import CommandEntry
from dynamo_core.cli.group import LazyGroup

_HERE: Final = "dynamo_core.cli.providers"

PROVIDERS_COMMANDS: Final[dict[str, CommandEntry]] = {
    "list": CommandEntry(f"{_HERE}.listing:list_providers", "List installed providers."),
    "explain": CommandEntry(f"{_HERE}.explaining:explain", "Say which provider is used, and why no other."),
    "show": CommandEntry(f"{_HERE}.showing:show", "Show what one provider can do, and its options."),
    "compare": CommandEntry(f"{_HERE}.comparing:compare", "Show what each provider makes of a graph."),
    "check": CommandEntry(f"{_HERE}.checking:check", "Import one provider apart, and look at it closely."),
    "doctor": CommandEntry(f"{_HERE}.doctor:doctor", "Find what is wrong with what is installed."),
    "lock": CommandEntry(f"{_HERE}.locking:lock", "Write down what is installed."),
    "verify": CommandEntry(
        f"{_HERE}.locking:verify", "Compare what is installed with what was written down."
    ),
    "test": CommandEntry(f"{_HERE}.testing:test", "Run the conformance kit on one provider, and grade it."),
    "new": CommandEntry(f"{_HERE}.making:new", "Make the project of a new provider."),
    "schema": CommandEntry(f"{_HERE}.schema:schema", "Print the JSON Schema of a provider's manifest."),
}


@click.group(
    cls=LazyGroup, entries=PROVIDERS_COMMANDS, short_help="Show installed providers, and which is used."
)
def providers() -> None:
    """Show installed providers, which one is used, and how good each is."""
