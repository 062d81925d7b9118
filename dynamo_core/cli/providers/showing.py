"""``dynamo providers show``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from dynamo_core.cli.console import write, write_json, write_table
from dynamo_core.cli.providers.naming import find_selection, name_argument
from dynamo_core.cli.providers.states import State, find_states, grade_of, json_option, row_data
from dynamo_core.provider.capabilities import CAPABILITIES
from dynamo_core.provider.contract import CONTRACT_VERSION, format_version

if TYPE_CHECKING:
    from dynamo_core.provider.discovery import ProviderCandidate
    from dynamo_core.provider.manifest import Manifest
    from dynamo_core.provider.option_schema import OptionSchema


@click.command(short_help="Show what one provider can do, and its options.")
@json_option
@name_argument
def show(name: str, as_json: bool) -> None:
    """Show what the provider NAME says of itself: capabilities with their levels, options with their defaults.

    Nothing is imported: it is all in the provider's manifest.
    """
    selection = find_selection(name)
    (row,) = (row for row in selection.rows if row.is_chosen)
    state = find_states(selection, check=False)[row.candidate.qualified_name]
    if as_json:
        data = row_data(row, state)
        manifest = row.candidate.manifest
        stated = {} if manifest is None else {name: manifest.capability(name) for name in CAPABILITIES}
        data["capabilities"] = {
            name: {"level": each.level, "reason": each.reason} for name, each in stated.items()
        }
        write_json(data)
    else:
        _write(row.candidate, state)
    if selection.problem is not None:
        raise selection.problem


def _write(candidate: ProviderCandidate, state: State) -> None:
    manifest = candidate.manifest
    write(f"{candidate.name}: {'' if manifest is None else manifest.summary}".rstrip(": "))
    facts = {"distribution": f"{candidate.distribution} {candidate.version}", "state": str(state)}
    if manifest is not None:
        grade = grade_of(candidate)
        offered = format_version(CONTRACT_VERSION)
        facts |= {
            "contract": f"{manifest.contract.text} (this dynamo-core offers {offered})",
            "maturity": manifest.maturity or "not stated",
            "grade": "none" if grade is None else "; ".join((str(grade), *grade.stale)),
            "docs": manifest.docs or "not stated",
            "manifest": str(manifest.path),
        }
    for fact, value in facts.items():
        write(f"  {fact:<13}{value}")
    if manifest is not None:
        _write_tables(manifest)


def _write_tables(manifest: Manifest) -> None:
    write("")
    rows = []
    for name, meaning in CAPABILITIES.items():
        stated = manifest.capability(name)
        rows.append((name, stated.level, stated.reason or meaning))
    write_table(("CAPABILITY", "LEVEL", "WHY, OR WHAT IT MEANS"), rows)
    write("")
    if manifest.options is None:
        write("options: not stated")
    elif not manifest.options:
        write("options: none")
    else:
        options = [
            (option.name, _shown_type(option), _shown_default(option), option.summary)
            for option in manifest.options.values()
        ]
        write_table(("OPTION", "TYPE", "DEFAULT", "WHAT"), options)


def _shown_type(option: OptionSchema) -> str:
    return "|".join(json.dumps(choice) for choice in option.choices) if option.choices else option.type


def _shown_default(option: OptionSchema) -> str:
    return "-" if option.default is None else json.dumps(option.default, default=str, ensure_ascii=False)
