"""``dynamo serve --plan``: what would run, without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynamo_core.cli.console import write, write_json
from dynamo_core.provider.binding import outline_graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.graph import ServiceGraph
    from dynamo_core.provider.target import DeploymentTarget


def show_plan(
    target: DeploymentTarget, graph: ServiceGraph, *, options: Mapping[str, Any], as_json: bool
) -> None:
    """Write the plan to standard output.

    Raises:
        UnsupportedOperationError: The provider cannot say.
        DynamoError: The graph could not be run, and why.
    """
    outline = outline_graph(target, graph, options=options)
    if as_json:
        write_json(outline.to_data())
        return
    for process in outline.processes:
        devices = f" on {', '.join(process.devices)}" if process.devices else ""
        write(f"{process.service}/{process.slot}{devices}")
        write(f"  {process.command_line}")
    if outline.devices:
        write("devices")
        write(outline.devices)
