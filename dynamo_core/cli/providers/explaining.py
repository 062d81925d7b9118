"""``dynamo providers explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from dynamo_core.cli.console import message, write, write_json, write_table
from dynamo_core.cli.provider_option import explain_choice, provider_option
from dynamo_core.cli.providers.states import State, find_states, json_option, row_data, shown_name
from dynamo_core.provider.naming import DEFAULT_PROVIDER
from dynamo_core.provider.selection import SOURCE_DEFAULT, SOURCE_NOTHING_ELSE, SOURCE_ONLY_ONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.provider.selection import Selection


_BY_WHAT_IS_THERE: Final = {
    SOURCE_DEFAULT: f"nothing was asked for, and {DEFAULT_PROVIDER!r} is the default",
    SOURCE_ONLY_ONE: "nothing was asked for, and it is the only one installed",
    SOURCE_NOTHING_ELSE: "nothing was asked for, and nothing else can be used",
}


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
        write(f"chosen: {candidate.name} ({candidate.distribution} {candidate.version})")
        write(f"decided by: {_BY_WHAT_IS_THERE.get(selection.source, selection.source)}")
    if selection.rows:
        write("")
        rows = [
            (
                "*" if row.is_chosen else "",
                shown_name(row.candidate.name),
                row.candidate.distribution,
                states[row.candidate.qualified_name].state,
                row.reason,
            )
            for row in selection.rows
        ]
        write_table(("", "NAME", "DISTRIBUTION", "STATE", "WHY"), rows)
        _write_causes(selection, states)
    if selection.notice is not None:
        message(selection.notice, kind="note")


def _write_causes(selection: Selection, states: Mapping[str, State]) -> None:
    """What is wrong with each, below the table: in it, nobody could read the reasons any more."""
    for row in selection.rows:
        state = states[row.candidate.qualified_name]
        if state.told:
            write(f"\n{row.candidate.qualified_name} is {state.state}:\n  {state.told}")


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
