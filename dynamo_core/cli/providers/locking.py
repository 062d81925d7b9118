"""``dynamo providers lock`` and ``dynamo providers verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from dynamo_core.cli.console import message, write, write_json
from dynamo_core.cli.providers.states import json_option
from dynamo_core.errors import EXIT_CHECK_FAILED, EXIT_OK
from dynamo_core.provider.lockfile import LOCK_FILE, compare_locks, make_lock, read_lock, write_lock

file_argument: Final = click.argument(
    "file", type=click.Path(path_type=Path, dir_okay=False), default=LOCK_FILE, metavar="[FILE]"
)


@click.command(short_help="Write down what is installed.")
@json_option
@file_argument
def lock(file: Path, as_json: bool) -> None:
    """Write FILE (by default dynamo-providers.lock) with every installed provider and extension.

    It holds versions, contracts, entry points, and a hash of each distribution's files. Nothing is imported.
    """
    made = make_lock()
    write_lock(file, made)
    if as_json:
        write_json(made)
    else:
        write(f"{file}: {len(made['entry_points'])} providers and extensions")


@click.command(short_help="Compare what is installed with what was written down.")
@json_option
@file_argument
def verify(file: Path, as_json: bool) -> int:
    """Compare every installed provider and extension with FILE (by default dynamo-providers.lock)."""
    differences = compare_locks(read_lock(file), make_lock())
    if as_json:
        write_json([difference._asdict() for difference in differences])
    elif not differences:
        write(f"everything is as {file} has it")
    for difference in () if as_json else differences:
        write(str(difference))
    if differences:
        message(f"if that is as it should be: dynamo providers lock {file}", kind="note")
    return EXIT_CHECK_FAILED if differences else EXIT_OK
