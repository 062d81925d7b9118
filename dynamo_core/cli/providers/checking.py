"""``dynamo providers check``."""

from __future__ import annotations

import click

from dynamo_core.cli.console import write, write_json, write_table
from dynamo_core.cli.providers.naming import find_sound, name_argument
from dynamo_core.cli.providers.states import json_option
from dynamo_core.errors import EXIT_CHECK_FAILED, EXIT_OK
from dynamo_core.provider.checking import CHECK_TIMEOUT_S, examine_provider


@click.command(short_help="Import one provider apart, and look at it closely.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    default=CHECK_TIMEOUT_S,
    show_default=True,
    metavar="SECONDS",
    help="Seconds that importing and looking may take.",
)
@json_option
@name_argument
def check(name: str, timeout_s: float, as_json: bool) -> int:
    """Import the provider NAME in a process of its own, and look at it closely.

    Looked at are its class, its hooks and their arguments, methods that look like hooks and are none, its options
    against its manifest, and what comes back when a small graph is bound. Nothing is started.
    """
    candidate = find_sound(name)
    findings = examine_provider(candidate, timeout_s=timeout_s)
    is_sound = not any(finding.severity == "error" for finding in findings)
    if as_json:
        write_json(
            {
                "name": candidate.name,
                "distribution": candidate.distribution,
                "version": candidate.version,
                "ok": is_sound,
                "findings": [finding.to_data() for finding in findings],
            }
        )
    elif findings:
        write_table(("SEVERITY", "WHAT", "REMEDY"), findings)
    else:
        write(f"{candidate.name} ({candidate.distribution} {candidate.version}): nothing is wrong")
    return EXIT_OK if is_sound else EXIT_CHECK_FAILED
