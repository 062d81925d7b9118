"""Which distributions may be loaded as providers or extensions; decided before anything of them is imported.

An entry is ``GROUP:DISTRIBUTION``, such as ``dynamo.providers:dynamo-circus``.
A bare name would not do: anybody can publish a distribution that offers a provider of any name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from dynamo_core import environment
from dynamo_core.errors import ConfigError
from dynamo_core.provider.discovery import EXTENSIONS_GROUP, PROVIDERS_GROUP
from dynamo_core.provider.naming import is_distribution_name, normalize_distribution
from dynamo_core.provider.project_file import settings_of_project

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

CORE: Final = "dynamo-core"
"""The distribution of this very module: it runs already, so that nothing is gained by leaving it out."""


class AllowList(NamedTuple):
    """What may be loaded.

    Attributes:
        entries: Pairs of group and normalised distribution; None allows everything.
        source: Who says so, for messages.
    """

    entries: frozenset[tuple[str, str]] | None = None
    source: str = ""

    def allows(self, group: str, distribution: str) -> bool:
        """Whether an entry point of that group and distribution may be loaded."""
        name = normalize_distribution(distribution)
        return self.entries is None or name == CORE or (group, name) in self.entries

    def entry_for(self, group: str, distribution: str) -> str:
        """What to add so that it may."""
        return f"{group}:{normalize_distribution(distribution)}"


EVERYTHING: Final = AllowList()


def find_allow_list(environ: Mapping[str, str], cwd: Path) -> AllowList:
    """The allow list that is in force.

    Args:
        environ: The environment; ``DYNAMO_ALLOW_PROVIDERS`` takes the place of the project's list.
        cwd: Where the search for ``pyproject.toml`` begins, whose ``[tool.dynamo] allow`` is the project's.

    Raises:
        ConfigError: An entry is no ``GROUP:DISTRIBUTION``, or the project's file cannot be read.
    """
    named = environ.get(environment.ALLOW_PROVIDERS)
    if named:  # set and empty counts as not set, as everywhere in a shell
        return _parse(named.split(","), environment.ALLOW_PROVIDERS)
    project = settings_of_project(cwd)
    if project is None or project.allow is None:
        return EVERYTHING
    return _parse(project.allow, project.source)


def _parse(texts: Iterable[str], source: str) -> AllowList:
    entries: set[tuple[str, str]] = set()
    problems: list[str] = []
    for text in (each.strip() for each in texts):
        group, _, distribution = text.partition(":")
        if not text:
            continue
        if group not in {PROVIDERS_GROUP, EXTENSIONS_GROUP} or not is_distribution_name(distribution):
            wanted = f"{PROVIDERS_GROUP}:DISTRIBUTION or {EXTENSIONS_GROUP}:DISTRIBUTION"
            problems.append(f"an entry of the allow list must be {wanted}, got {text!r} (from {source})")
        entries.add((group, normalize_distribution(distribution)))
    if problems:
        raise ConfigError(*problems)
    return AllowList(frozenset(entries), source)
