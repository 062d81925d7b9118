"""Which sources a graph's settings come from, and in which order they count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core import environment
from dynamo_core.config.graph_settings import GraphSettings
from dynamo_core.config.nodes import Table
from dynamo_core.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def load_graph_settings(
    path: Path | None, overrides: Sequence[str], environ: Mapping[str, str]
) -> GraphSettings:
    """Read the file and the command line's settings; what they say is checked once it meets the graph.

    Args:
        path: The file, from ``-f``; None leaves it to ``DYNAMO_CONFIG``, and without that there is no file.
        overrides: Arguments such as ``--Backend.model=small``; they come before the file.
        environ: The environment.

    Raises:
        ConfigError: The file cannot be read, or something is no YAML or no setting; all mistakes are told at once.
    """
    problems: list[Problem] = []
    note = ""
    named: str | Path | None = path
    if named is None and environ.get(environment.CONFIG):
        named, note = environ[environment.CONFIG], f"from {environment.CONFIG}"
    file = line = Table()
    try:
        if named is not None:
            from dynamo_core.config.yaml_file import read_yaml_file  # PyYAML is imported only for a file

            file = read_yaml_file(str(named), what=f"the file {str(named)!r} ({note or 'from -f'})")
    except ConfigError as exc:
        problems += exc.problems
    try:
        if overrides:
            from dynamo_core.config.overrides import parse_overrides  # as above

            line = parse_overrides(overrides)
    except ConfigError as exc:
        problems += exc.problems
    if problems:
        raise ConfigError(*problems)
    return GraphSettings.of(file, line, note=note)
