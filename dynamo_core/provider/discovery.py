"""Which providers and extensions are installed, read from metadata alone.

Nothing that is found here has been imported, and whatever is wrong with a distribution stays its own row.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import importlib_metadata

from dynamo_core.errors import ContractMismatchError, InvalidProviderNameError, ManifestError, ProviderError
from dynamo_core.provider.contract import CONTRACT_VERSION, format_version
from dynamo_core.provider.manifest import Manifest, find_manifest, read_manifest, split_value
from dynamo_core.provider.naming import is_provider_name, normalize_distribution

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

PROVIDERS_GROUP: Final = "dynamo.providers"
EXTENSIONS_GROUP: Final = "dynamo.plugins"

_ENTRY_POINTS_FILE: Final = "entry_points.txt"
_METADATA_FILES: Final = ("METADATA", "PKG-INFO")


class _Distribution(Protocol):
    """What is asked of a distribution."""

    @property
    def entry_points(self) -> Any: ...
    def read_text(self, filename: str, /) -> str | None: ...


class InstalledEntryPoint(NamedTuple):
    """One entry point of an installed distribution.

    Attributes:
        name: Left of the equals sign.
        value: Right of it.
        distribution: Name of the distribution; its folder's name when its metadata has none.
        version: Its version; empty when its metadata has none.
    """

    name: str
    value: str
    distribution: str
    version: str


class ProviderCandidate(NamedTuple):
    """One installed provider, as far as it can be known without importing it.

    Attributes:
        name: Name of the entry point.
        value: What the entry point names.
        distribution: The distribution that offers it.
        version: That distribution's version; empty when it has none.
        manifest: What it says about itself; None when that cannot be read.
        problem: Why it cannot be used; None when nothing speaks against it so far.
    """

    name: str
    value: str
    distribution: str
    version: str
    manifest: Manifest | None = None
    problem: ProviderError | None = None

    @property
    def qualified_name(self) -> str:
        """``distribution:name``, which no other candidate has."""
        return f"{self.distribution}:{self.name}"

    @property
    def file(self) -> Path | None:
        """The manifest's file."""
        return None if self.manifest is None else self.manifest.path


def discover_providers() -> list[ProviderCandidate]:
    """All installed providers, by name and then by distribution. Imports none of them, and never raises."""
    return sorted((_examine(found) for found in find_entry_points(PROVIDERS_GROUP)), key=_order)


def discover_extensions() -> list[InstalledEntryPoint]:
    """All installed extensions, by name and then by distribution. Imports none of them, and never raises."""
    return sorted(find_entry_points(EXTENSIONS_GROUP), key=lambda found: (found.name, found.distribution))


def find_entry_points(group: str) -> list[InstalledEntryPoint]:
    """The entry points of one group, each distribution's as the import path has it first."""
    found: dict[tuple[str, str, str], InstalledEntryPoint] = {}
    for distribution in _distributions_with(group):
        try:
            name, version = _identity(distribution)
            if _is_shadowed(distribution, name):
                continue
            for entry_point in distribution.entry_points:
                if entry_point.group == group:
                    key = (normalize_distribution(name), entry_point.name, entry_point.value)
                    found.setdefault(
                        key, InstalledEntryPoint(entry_point.name, entry_point.value, name, version)
                    )
        except Exception as exc:  # noqa: BLE001  # broken metadata of one distribution hides no other
            logger.warning("entry points of %s cannot be read: %s: %s", distribution, type(exc).__name__, exc)
    return list(found.values())


def _distributions_with(group: str) -> Iterator[_Distribution]:
    """Distributions whose entry points mention *group*; the text is looked through before anything is parsed."""
    for distribution in importlib_metadata.distributions():
        try:
            text = distribution.read_text(_ENTRY_POINTS_FILE)
        except (OSError, ValueError) as exc:
            logger.debug("entry points of %s cannot be read: %s", distribution, exc)
            continue
        if text and group in text:
            yield distribution


def _identity(distribution: _Distribution) -> tuple[str, str]:
    """Name and version from the first lines of the metadata, or from its folder where those are broken."""
    headers: dict[str, str] = {}
    for line in _metadata_text(distribution).splitlines():
        if not line:
            break  # the description begins; a whole parser for two lines would cost more than all the rest
        header, separator, value = line.partition(":")
        if separator and not header[:1].isspace():
            headers.setdefault(header.lower(), value.strip())
    name, version = headers.get("name", ""), headers.get("version", "")
    if not name:
        stem = Path(str(getattr(distribution, "_path", ""))).stem
        name, _, version_of_folder = stem.partition("-")
        version = version or version_of_folder
    return name or "unknown", version


def _metadata_text(distribution: _Distribution) -> str:
    for name in _METADATA_FILES:
        try:
            text = distribution.read_text(name)
        except (OSError, ValueError) as exc:
            logger.debug("metadata of %s cannot be read: %s", distribution, exc)
            continue
        if text:
            return text
    return ""


def _is_shadowed(distribution: _Distribution, name: str) -> bool:
    """Whether another copy of the same distribution comes first on the import path, as imports see it."""
    try:
        first = importlib_metadata.distribution(name)
    except Exception:  # noqa: BLE001  # broken metadata: not found under its own name, and so not shadowed
        return False
    return first.read_text(_ENTRY_POINTS_FILE) != distribution.read_text(_ENTRY_POINTS_FILE)


def _order(candidate: ProviderCandidate) -> tuple[str, str]:
    return candidate.name, normalize_distribution(candidate.distribution)


def _examine(found: InstalledEntryPoint) -> ProviderCandidate:
    """Find out what can be known about one provider without importing it."""
    candidate = ProviderCandidate(*found)
    if not is_provider_name(found.name):
        source = f"entry point of {found.distribution}"
        return candidate._replace(problem=InvalidProviderNameError(found.name, source=source))
    try:
        module, _ = split_value(found.value)
        manifest = read_manifest(find_manifest(module))
    except (LookupError, ValueError) as exc:
        message = str(exc.args[0]) if exc.args else type(exc).__name__
        return candidate._replace(
            problem=ManifestError(found.name, distribution=found.distribution, message=message)
        )
    candidate = candidate._replace(manifest=manifest)
    if manifest.name != found.name:
        message = f"{manifest.path} is for {manifest.name!r}, its entry point for {found.name!r}"
        return candidate._replace(
            problem=ManifestError(found.name, distribution=found.distribution, message=message)
        )
    return candidate._replace(problem=contract_problem(found.name, found.distribution, manifest))


def contract_problem(name: str, distribution: str, manifest: Manifest) -> ContractMismatchError | None:
    """Why a provider does not fit this core; None when it does."""
    if manifest.contract.accepts(CONTRACT_VERSION):
        return None
    side = manifest.contract.side_to_upgrade(CONTRACT_VERSION)
    return ContractMismatchError(
        name,
        distribution=distribution,
        wanted=manifest.contract.text,
        offered=format_version(CONTRACT_VERSION),
        upgrade="dynamo-core" if side == "dynamo-core" else distribution,
    )
