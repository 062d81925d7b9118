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
    "providers": CommandEntry(
        "dynamo_core.cli.providers:providers", "Show installed providers, and which is used."
    ),
    "completion": CommandEntry(
        "dynamo_core.cli.completion:completion", "Print the completion script of a shell."
    ),
}
