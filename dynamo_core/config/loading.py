"""Which sources a graph's settings come from, and in which order they count."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dynamo_core import environment
from dynamo_core.config.graph_settings import GraphSettings
from dynamo_core.config.nodes import Table
from dynamo_core.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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
    named = environ.get(environment.CONFIG, "")
    if path is None and named:
        path, note = Path(named), f"from {environment.CONFIG}"
    file = line = Table()
    try:
        if path is not None:
            from dynamo_core.config.yaml_file import read_yaml_file  # PyYAML is imported only for a file

            file = read_yaml_file(path, what=f"the file {str(path)!r} ({note or 'from -f'})")
    except ConfigError as exc:
        problems += exc.problems
    try:
        if overrides:
            from dynamo_core.config.overrides import parse_overrides

            line = parse_overrides(overrides)
    except ConfigError as exc:
        problems += exc.problems
    if problems:
        raise ConfigError(*problems)
    return GraphSettings.of(file, line, note=note)
