"""The grade that a provider brings along: the kit's report in its package, and whether it is still about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dynamo_core.provider.manifest import Manifest

KIT_VERSION: Final = "1.0"
"""Version of the conformance kit in this dynamo-core; it grows whenever a test or a rule of grading changes."""

REPORT_FILE: Final = "dynamo-conformance.json"
REPORT_FORMAT: Final = 1
LARGEST_REPORT_BYTES: Final = 1024 * 1024

GRADES: Final = ("none", "bronze", "silver", "gold", "platinum")
"""From the lowest."""


class Grade(NamedTuple):
    """What a provider's package says about how well it passed the kit; nobody but its author vouches for it.

    Attributes:
        grade: One of :data:`GRADES`; ``?`` for a report that cannot be read.
        stale: Why it says nothing about what is installed; empty when it does.
    """

    grade: str
    stale: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.grade} ({'stale' if self.stale else 'self-reported'})"

    def to_data(self) -> dict[str, object]:
        """The grade as data that JSON can hold."""
        return {"grade": self.grade, "self_reported": True, "stale": list(self.stale)}


def read_grade(manifest: Manifest, version: str) -> Grade | None:
    """The grade in a provider's package.

    Args:
        manifest: The provider's, beside which the report lies.
        version: Version of the installed distribution.

    Returns:
        None where the package has no report.
    """
    path = manifest.path.with_name(REPORT_FILE)
    try:
        if path.stat().st_size > LARGEST_REPORT_BYTES:
            return Grade("?", (f"it is longer than {LARGEST_REPORT_BYTES} bytes",))
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        return Grade("?", (f"it cannot be read: {type(exc).__name__}",))
    if not isinstance(data, dict) or data.get("format") != REPORT_FORMAT or data.get("grade") not in GRADES:
        return Grade("?", ("it is no report of the kit that this dynamo-core can read",))
    return Grade(data["grade"], tuple(_find_staleness(data, manifest, version)))


def _find_staleness(data: Mapping[str, Any], manifest: Manifest, version: str) -> Iterator[str]:
    if data.get("provider") != manifest.name:
        yield f"it is about provider {data.get('provider')!r}"
    if data.get("version") != version:
        yield f"it is about version {data.get('version')}, installed is {version or 'one without a version'}"
    if data.get("kit") != KIT_VERSION:
        yield f"it is of kit {data.get('kit')}, this dynamo-core has {KIT_VERSION}"
    differing = _find_differing_files(data.get("files"), manifest)
    if differing:
        more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
        yield f"the package has changed since: {differing[0]}{more}"


def _find_differing_files(recorded: object, manifest: Manifest) -> list[str]:
    from dynamo_core.provider.fingerprint import hash_package  # hashlib, for those that have a report

    if not isinstance(recorded, dict):
        return ["no file is recorded"]
    found = hash_package(manifest.path.parent, without=REPORT_FILE)
    return sorted(name for name in recorded.keys() | found.keys() if recorded.get(name) != found.get(name))
