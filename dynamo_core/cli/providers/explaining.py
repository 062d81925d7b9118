"""``dynamo providers explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dynamo_core.cli.console import message, write, write_json, write_table
from dynamo_core.cli.provider_option import explain_choice, provider_option
from dynamo_core.cli.providers.states import State, find_states, json_option, row_data, shown_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.provider.selection import Selection


@click.command("explain", short_help="Say which provider is used, and why no other.")
@click.option(
    "--check/--no-check",
    default=True,
    show_default=True,
    help="Import each, in a process of its own, to see whether it works.",
)
@json_option
@provider_option
@click.pass_context
def explain(ctx: click.Context, check: bool, as_json: bool, provider: str | None) -> None:
    """Say which provider would be used, what decided, and why each of the others is not."""
    selection = explain_choice(ctx, provider)
    states = find_states(selection, check=check)
    if as_json:
        write_json(_explanation_data(selection, states))
    else:
        _write_explanation(selection, states)
    if selection.problem is not None:
        raise selection.problem


def _write_explanation(selection: Selection, states: Mapping[str, State]) -> None:
    if selection.candidate is None:
        write("chosen: none")
    else:
        candidate = selection.candidate
        write(
            f"chosen: {candidate.name} ({candidate.distribution} {candidate.version}), by {selection.source}"
        )
    if selection.rows:
        write("")
        rows = [
            (
                "*" if row.is_chosen else "",
                shown_name(row.candidate.name),
                row.candidate.distribution,
                str(states[row.candidate.qualified_name]),
                row.reason,
            )
            for row in selection.rows
        ]
        write_table(("", "NAME", "DISTRIBUTION", "STATE", "WHY"), rows)
    if selection.notice is not None:
        message(selection.notice, kind="note")


def _explanation_data(selection: Selection, states: Mapping[str, State]) -> dict[str, object]:
    return {
        "chosen": None if selection.candidate is None else selection.candidate.name,
        "distribution": None if selection.candidate is None else selection.candidate.distribution,
        "source": selection.source,
        "problem": None if selection.problem is None else str(selection.problem),
        "notice": selection.notice,
        "candidates": [
            {**row_data(row, states[row.candidate.qualified_name]), "reason": row.reason}
            for row in selection.rows
        ],
    }
