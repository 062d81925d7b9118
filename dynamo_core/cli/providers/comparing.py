"""``dynamo providers compare``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dynamo_core import environment
from dynamo_core.cli.completing import complete_target
from dynamo_core.cli.console import write, write_json, write_table
from dynamo_core.cli.providers.states import json_option
from dynamo_core.config import load_graph_settings
from dynamo_core.loader import load_graph
from dynamo_core.provider.selection import explain_selection
from dynamo_core.provider.usage import Verdict, describe_losses, find_uses, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.graph import ServiceGraph


@click.command(short_help="Show what each provider makes of a graph.")
@click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    envvar=environment.CONFIG,
    show_envvar=True,
    help="Settings of the services, as YAML.",
)
@json_option
@click.argument("target", shell_complete=complete_target)
def compare(target: str, file: Path | None, as_json: bool) -> None:
    """Show what each installed provider supports, emulates, ignores or refuses of what the graph TARGET asks for.

    The graph is imported and checked; no provider is imported, and nothing is run.
    """
    settings = load_graph_settings(file, (), os.environ)
    graph = settings.apply(load_graph(target, bindings=settings.bindings()))
    uses = find_uses(graph)
    rows = explain_selection(environ=os.environ, cwd=Path.cwd()).rows
    verdicts = {
        row.candidate.qualified_name: judge(row.candidate.manifest, uses)
        for row in rows
        if row.candidate.manifest is not None and row.candidate.problem is None
    }
    if as_json:
        write_json(_data(graph, verdicts))
    else:
        _write(graph, verdicts)


def _data(graph: ServiceGraph, verdicts: Mapping[str, tuple[Verdict, ...]]) -> dict[str, object]:
    return {
        "graph": graph.name,
        "providers": {
            name: {
                "losses": len(describe_losses(found)),
                "capabilities": [verdict.to_data() for verdict in found],
            }
            for name, found in verdicts.items()
        },
    }


def _write(graph: ServiceGraph, verdicts: Mapping[str, tuple[Verdict, ...]]) -> None:
    names = [qualified.rpartition(":")[2] for qualified in verdicts]
    shown = [
        name if names.count(name) == 1 else qualified for name, qualified in zip(names, verdicts, strict=True)
    ]
    columns = list(zip(*verdicts.values(), strict=True))
    if not columns:
        write(f"{graph.name} asks for nothing that providers do differently")
        return
    rows = [
        (found[0].capability, _shown_uses(found[0]), *(each.level for each in found)) for found in columns
    ]
    write_table(("CAPABILITY", "ASKED FOR BY", *shown), rows)
    for name, found in zip(shown, verdicts.values(), strict=True):
        losses = describe_losses(found)
        write(f"\n{name}: {'nothing is lost' if not losses else f'{len(losses)} would be lost'}")
        for loss in losses:
            write(f"  {loss}")


def _shown_uses(verdict: Verdict) -> str:
    names = list(dict.fromkeys(use.where for use in verdict.uses))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
