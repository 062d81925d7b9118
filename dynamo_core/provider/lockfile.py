"""What is installed, written down so that a difference shows: versions, contract, and a hash of the files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dynamo_core._version import __version__
from dynamo_core.errors import ConfigError
from dynamo_core.provider.contract import CONTRACT_VERSION, format_version
from dynamo_core.provider.discovery import (
    EXTENSIONS_GROUP,
    PROVIDERS_GROUP,
    discover_extensions,
    discover_providers,
)
from dynamo_core.provider.fingerprint import hash_distribution
from dynamo_core.provider.naming import normalize_distribution

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOCK_FILE: Final = "dynamo-providers.lock"
LOCK_FORMAT: Final = 1

_FACTS: Final = ("version", "value", "contract", "hash")


class Difference(NamedTuple):
    """One thing that is not as it was locked.

    Attributes:
        subject: ``dynamo-core``, or group, distribution and name of an entry point.
        fact: ``installed``, ``version``, ``contract``, ``value`` or ``hash``.
        locked: What the file says; empty for something that it does not know.
        found: What is installed; empty for something that is gone.
    """

    subject: str
    fact: str
    locked: str
    found: str

    def __str__(self) -> str:
        if self.fact == "installed":
            return f"{self.subject}: {'it is not installed' if self.locked else 'it is not in the lock file'}"
        return (
            f"{self.subject}: {self.fact} is {self.found or 'unknown'}, locked is {self.locked or 'unknown'}"
        )


def make_lock() -> dict[str, Any]:
    """What is installed now, as data that JSON can hold; nothing of it is imported."""
    entries: dict[str, Any] = {}
    for candidate in discover_providers():
        contract = "" if candidate.manifest is None else candidate.manifest.contract.text
        entries[_key(PROVIDERS_GROUP, candidate.distribution, candidate.name)] = {
            "version": candidate.version,
            "value": candidate.value,
            "contract": contract,
            "hash": hash_distribution(candidate.distribution, candidate.value).digest,
        }
    for extension in discover_extensions():
        entries[_key(EXTENSIONS_GROUP, extension.distribution, extension.name)] = {
            "version": extension.version,
            "value": extension.value,
            "hash": hash_distribution(extension.distribution, extension.value).digest,
        }
    return {
        "format": LOCK_FORMAT,
        "dynamo_core": {"version": __version__, "contract": format_version(CONTRACT_VERSION)},
        "entry_points": dict(sorted(entries.items())),
    }


def _key(group: str, distribution: str, name: str) -> str:
    return f"{group}:{normalize_distribution(distribution)}:{name}"


def write_lock(path: Path, lock: Mapping[str, Any]) -> None:
    """Write a lock file.

    Raises:
        ConfigError: It cannot be written.
    """
    try:
        path.write_text(f"{json.dumps(lock, indent=2)}\n", "utf-8")
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror}") from exc


def read_lock(path: Path) -> dict[str, Any]:
    """Read a lock file.

    Raises:
        ConfigError: It cannot be read, or is no lock file.
    """
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError as exc:
        raise ConfigError(f"{path} does not exist; make it with 'dynamo providers lock'") from exc
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{path} is no lock file: {exc}") from exc
    is_sound = (
        isinstance(data, dict)
        and data.get("format") == LOCK_FORMAT
        and isinstance(data.get("dynamo_core"), dict)
        and isinstance(data.get("entry_points"), dict)
        and all(isinstance(entry, dict) for entry in data["entry_points"].values())
    )
    if not is_sound:
        raise ConfigError(f"{path} is no lock file of format {LOCK_FORMAT}; make it anew")
    return dict(data)


def compare_locks(locked: Mapping[str, Any], found: Mapping[str, Any]) -> list[Difference]:
    """Every difference between two locks, those of core first."""
    differences = _compare(
        "dynamo-core", locked["dynamo_core"], found["dynamo_core"], ("version", "contract")
    )
    names = sorted({*locked["entry_points"], *found["entry_points"]})
    for name in names:
        before, now = locked["entry_points"].get(name), found["entry_points"].get(name)
        if before is None or now is None:
            differences.append(
                Difference(name, "installed", "" if before is None else "yes", "" if now is None else "yes")
            )
        else:
            differences += _compare(name, before, now, _FACTS)
    return differences


def _compare(
    subject: str, locked: Mapping[str, Any], found: Mapping[str, Any], facts: tuple[str, ...]
) -> list[Difference]:
    return [
        Difference(subject, fact, str(locked.get(fact, "")), str(found.get(fact, "")))
        for fact in facts
        if locked.get(fact, "") != found.get(fact, "")
    ]
