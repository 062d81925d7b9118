"""``dynamo providers doctor``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dynamo_core.cli.console import write, write_json
from dynamo_core.cli.providers.states import json_option
from dynamo_core.errors import EXIT_CHECK_FAILED, EXIT_OK
from dynamo_core.provider.allowing import find_allow_list
from dynamo_core.provider.checking import check_extensions, check_providers
from dynamo_core.provider.diagnosis import Complaint, diagnose, plain_command
from dynamo_core.provider.extensions import find_extensions
from dynamo_core.provider.selection import explain_selection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dynamo_core.provider.checking import Fault
    from dynamo_core.provider.discovery import ProviderCandidate


@click.command(short_help="Find what is wrong with what is installed.")
@click.option(
    "--check", is_flag=True, help="Import each provider and extension too, in a process of its own."
)
@json_option
def doctor(check: bool, as_json: bool) -> int:
    """Find what is wrong with installed providers and extensions, with the command that mends it.

    Looked for are modules that two distributions install, names that two distributions claim, requirements that are
    missing or too old, wrong contracts, manifests that cannot be read, and grades that are stale.
    """
    allowed = find_allow_list(os.environ, Path.cwd())
    candidates = [row.candidate for row in explain_selection(environ=os.environ, cwd=Path.cwd()).rows]
    complaints = diagnose(candidates, allowed)
    if check:
        complaints += _try_out(candidates)
    if as_json:
        write_json([complaint.to_data() for complaint in complaints])
    elif not complaints:
        write("nothing is wrong")
    for complaint in () if as_json else complaints:
        kind = complaint.kind if complaint.is_error else f"{complaint.kind}, a warning"
        write(f"{complaint.subject} ({kind})\n  {complaint.what}\n  mend it: {complaint.command}")
    return EXIT_CHECK_FAILED if any(complaint.is_error for complaint in complaints) else EXIT_OK


def _try_out(candidates: Sequence[ProviderCandidate]) -> Iterator[Complaint]:
    """What shows only when a provider or an extension is imported."""
    sound = [candidate for candidate in candidates if candidate.problem is None]
    for candidate, fault in zip(sound, check_providers(sound), strict=True):
        if fault is not None:
            yield _broken(candidate.distribution, f"provider {candidate.name!r}", fault)
    extensions = find_extensions(os.environ, Path.cwd())
    for extension, fault in zip(extensions, check_extensions(extensions), strict=True):
        if fault is not None:
            yield _broken(extension.distribution, f"extension {extension.name!r}", fault)


def _broken(distribution: str, what: str, fault: Fault) -> Complaint:
    return Complaint("broken", f"{distribution}: {what}", fault.cause, plain_command(distribution))
