"""``dynamo providers``: what is installed, and which is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dynamo_core.cli.console import message, write, write_json, write_table
from dynamo_core.cli.provider_option import explain_choice, provider_option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynamo_core.provider.discovery import ProviderCandidate
    from dynamo_core.provider.selection import ExplanationRow, Selection

json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")


@click.group(short_help="Show installed providers, and which is used.")
def providers() -> None:
    """Show installed providers, and which one is used."""


@providers.command("list", short_help="List installed providers.")
@click.option("--check", is_flag=True, help="Import each, in a process of its own, to see whether it works.")
@json_option
@provider_option
@click.pass_context
def list_providers(ctx: click.Context, check: bool, as_json: bool, provider: str | None) -> None:
    """List installed providers from their metadata; the one that would be used is marked with *.

    Nothing is imported, so a provider whose import fails shows as ok unless --check is given.
    """
    selection = explain_choice(ctx, provider)
    states = _states(selection, check=check)
    if as_json:
        write_json([_row_data(row, states[row.candidate.qualified_name]) for row in selection.rows])
        return
    if not selection.rows:
        message("no provider is installed", kind="note")
        return
    headers = ("", "NAME", "DISTRIBUTION", "VERSION", "CONTRACT", "STATE")
    write_table(headers, [_cells(row, states[row.candidate.qualified_name]) for row in selection.rows])


@providers.command("explain", short_help="Say which provider is used, and why no other.")
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
    states = _states(selection, check=check)
    if as_json:
        write_json(_explanation_data(selection, states))
    else:
        _write_explanation(selection, states)
    if selection.problem is not None:
        raise selection.problem


def _write_explanation(selection: Selection, states: Mapping[str, _State]) -> None:
    if selection.candidate is None:
        write("chosen: none")
    else:
        candidate = selection.candidate
        write(
            f"chosen: {candidate.name} ({candidate.distribution} {candidate.version}), by {selection.source}"
        )
    if selection.rows:
        write("")
        headers = ("", "NAME", "DISTRIBUTION", "STATE", "WHY")
        rows = []
        for row in selection.rows:
            mark, name, distribution, _, _, state = _cells(row, states[row.candidate.qualified_name])
            rows.append((mark, name, distribution, state, row.reason))
        write_table(headers, rows)
    if selection.notice is not None:
        message(selection.notice, kind="note")


class _State:
    """What is known about one candidate.

    Attributes:
        state: ``ok``, ``broken`` or ``duplicate``.
        cause: Why it is not ok; empty when it is.
        remedy: What to type; may be empty.
        is_checked: Whether it was imported to find out.
    """

    def __init__(self, state: str, cause: str = "", remedy: str = "", *, is_checked: bool = False) -> None:
        self.state = state
        self.cause = cause
        self.remedy = remedy
        self.is_checked = is_checked

    def __str__(self) -> str:
        parts = [self.cause, self.remedy]
        told = "; ".join(part for part in parts if part)
        return f"{self.state}: {told}" if told else self.state


def _states(selection: Selection, *, check: bool) -> dict[str, _State]:
    """What is known about each candidate, by qualified name."""
    from dynamo_core.provider.selection import find_duplicates  # loaded with the selection

    candidates = [row.candidate for row in selection.rows]
    duplicates = find_duplicates(candidates)
    states = {candidate.qualified_name: _known_state(candidate, duplicates) for candidate in candidates}
    if check:
        from dynamo_core.provider.checking import check_providers  # starts processes

        sound = [candidate for candidate in candidates if candidate.problem is None]
        for candidate, fault in zip(sound, check_providers(sound), strict=True):
            state = states[candidate.qualified_name]
            state.is_checked = True
            if fault is not None:
                states[candidate.qualified_name] = _State(
                    "broken", fault.cause, fault.remedy, is_checked=True
                )
    return states


def _known_state(candidate: ProviderCandidate, duplicates: Mapping[str, Sequence[str]]) -> _State:
    if candidate.problem is not None:
        return _State("broken", str(candidate.problem))
    if candidate.name in duplicates:
        others = [name for name in duplicates[candidate.name] if name != candidate.distribution]
        return _State(
            "duplicate",
            f"claimed by {', '.join(others) or 'the same distribution'} too",
            f"uninstall one, or ask for {candidate.qualified_name!r}",
        )
    return _State("ok")


def _cells(row: ExplanationRow, state: _State) -> tuple[str, ...]:
    candidate = row.candidate
    return (
        "*" if row.is_chosen else "",
        _shown_name(candidate.name),
        candidate.distribution,
        candidate.version or "?",
        "?" if candidate.manifest is None else candidate.manifest.contract.text,
        str(state),
    )


def _shown_name(name: str) -> str:
    """A name as it is, or quoted when it is none, so that what hides in it shows."""
    from dynamo_core.provider.naming import is_provider_name  # loaded with the selection

    return name if is_provider_name(name) else ascii(name)


def _row_data(row: ExplanationRow, state: _State) -> dict[str, object]:
    candidate, manifest = row.candidate, row.candidate.manifest
    return {
        "name": candidate.name,
        "distribution": candidate.distribution,
        "version": candidate.version,
        "value": candidate.value,
        "file": None if candidate.file is None else str(candidate.file),
        "summary": None if manifest is None else manifest.summary,
        "contract": None if manifest is None else manifest.contract.text,
        "capabilities": {}
        if manifest is None
        else {c.name: {"level": c.level, "reason": c.reason} for c in manifest.capabilities.values()},
        "notes": [] if manifest is None else list(manifest.notes),
        "state": state.state,
        "cause": state.cause or None,
        "remedy": state.remedy or None,
        "checked": state.is_checked,
        "chosen": row.is_chosen,
    }


def _explanation_data(selection: Selection, states: Mapping[str, _State]) -> dict[str, object]:
    return {
        "chosen": None if selection.candidate is None else selection.candidate.name,
        "distribution": None if selection.candidate is None else selection.candidate.distribution,
        "source": selection.source,
        "problem": None if selection.problem is None else str(selection.problem),
        "notice": selection.notice,
        "candidates": [
            {**_row_data(row, states[row.candidate.qualified_name]), "reason": row.reason}
            for row in selection.rows
        ],
    }
