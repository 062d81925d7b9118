"""``dynamo providers list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dynamo_core.cli.console import message, write_json, write_table
from dynamo_core.cli.provider_option import explain_choice, provider_option
from dynamo_core.cli.providers.states import State, find_states, grade_of, json_option, row_data, shown_name

if TYPE_CHECKING:
    from dynamo_core.provider.selection import ExplanationRow

HEADERS = ("", "NAME", "DISTRIBUTION", "VERSION", "CONTRACT", "MATURITY", "GRADE", "STATE")


@click.command("list", short_help="List installed providers.")
@click.option("--check", is_flag=True, help="Import each, in a process of its own, to see whether it works.")
@json_option
@provider_option
@click.pass_context
def list_providers(ctx: click.Context, check: bool, as_json: bool, provider: str | None) -> None:
    """List installed providers from their metadata; the one that would be used is marked with *.

    Nothing is imported, so a provider whose import fails shows as ok unless --check is given. A grade is what a
    provider's own package says; it is stale when what is installed is not what was tested.
    """
    selection = explain_choice(ctx, provider)
    states = find_states(selection, check=check)
    if selection.candidate is None and selection.problem is not None and selection.rows:
        message(f"none of them would be used: {selection.problem}", kind="warning")
    if as_json:
        write_json([row_data(row, states[row.candidate.qualified_name]) for row in selection.rows])
        return
    if not selection.rows:
        message("no provider is installed", kind="note")
        return
    write_table(HEADERS, [_cells(row, states[row.candidate.qualified_name]) for row in selection.rows])


def _cells(row: ExplanationRow, state: State) -> tuple[str, ...]:
    candidate, manifest = row.candidate, row.candidate.manifest
    grade = grade_of(candidate)
    return (
        "*" if row.is_chosen else "",
        shown_name(candidate.name),
        candidate.distribution,
        candidate.version or "?",
        "?" if manifest is None else manifest.contract.text,
        "?" if manifest is None else manifest.maturity or "-",
        "-" if grade is None else str(grade),
        str(state),
    )
