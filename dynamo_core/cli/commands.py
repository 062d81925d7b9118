"""The table of commands: one line each.

A command's module is imported when the command is used, and not to list it, so the line repeats its summary.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class CommandEntry(NamedTuple):
    """Where a command is, and what it does.

    Attributes:
        target: ``module:name`` of its click command.
        summary: Its short help; a test compares it with the command's own.
    """

    target: str
    summary: str


COMMANDS: Final[dict[str, CommandEntry]] = {
    "serve": CommandEntry("dynamo_core.cli.serve:serve", "Run a graph of services until it is stopped."),
    "build": CommandEntry("dynamo_core.cli.build:build", "Build a graph into something that can be shipped."),
    "call": CommandEntry("dynamo_core.cli.call:call", "Call an endpoint of a run."),
    "graph": CommandEntry(
        "dynamo_core.cli.graph:graph", "Show the services of a graph, without running them."
    ),
    "ps": CommandEntry("dynamo_core.cli.ps:ps", "List runs, or the workers of one."),
    "logs": CommandEntry("dynamo_core.cli.logs:logs", "Show what the workers of a run wrote."),
    "scale": CommandEntry("dynamo_core.cli.runs:scale", "Change how many workers a service has."),
    "restart": CommandEntry(
        "dynamo_core.cli.runs:restart", "Replace a service's workers, one after another."
    ),
    "wait": CommandEntry("dynamo_core.cli.runs:wait", "Wait until a run is ready, or over."),
    "stop": CommandEntry("dynamo_core.cli.runs:stop", "Stop a run."),
    "providers": CommandEntry(
        "dynamo_core.cli.providers.group:providers", "Show installed providers, and which is used."
    ),
    "completion": CommandEntry(
        "dynamo_core.cli.completion:completion", "Print the completion script of a shell."
    ),
}
