"""The result of the kit as data: for people, for programs, and for a provider's wheel."""

from __future__ import annotations

import datetime
import platform
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from dynamo_core._version import __version__
from dynamo_core.provider.capabilities import CAPABILITIES
from dynamo_core.provider.contract import CONTRACT_VERSION, format_version
from dynamo_core.provider.fingerprint import hash_package
from dynamo_core.provider.grade import KIT_VERSION, REPORT_FILE, REPORT_FORMAT
from dynamo_core.testing.conformance.grading import Outcome, count_parts, grade

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_core.provider.discovery import ProviderCandidate

PARTS: Final = (
    "Declaration",
    "Claims",
    "Calls",
    "Values",
    "Errors",
    "Lifecycle",
    "Config",
    "Leftovers",
    "Streams",
    "Cancellation",
    "Deadlines",
    "Concurrency",
    "Changes",
    "Drain",
    "Http",
    "Remote",
    "Security",
    "Restart",
)
"""Every class of the kit, in the order of its suite."""

TESTED: Final = (
    "addresses",
    "batching",
    "cancellation",
    "custom_commands",
    "deadlines",
    "environment",
    "flow_control",
    "gpu",
    "http",
    "images",
    "isolation",
    "local_classes",
    "logs",
    "metrics",
    "on_failure",
    "resources",
    "restart",
    "rolling_restart",
    "routing",
    "scale",
    "streams",
    "sync_endpoints",
    "watchdog",
)
"""Capabilities whose claims the kit tests; of the others it tests that refused is refused and ignored does no harm."""

UNTESTABLE: Final = MappingProxyType(
    {"placement": "it takes more than one machine", "registry": "which registry, only the provider knows"}
)
"""Capabilities that no test on one machine can try out, with the reason; a claim of theirs is told as not tested."""


def make_report(
    candidate: ProviderCandidate, outcomes: Sequence[Outcome], *, is_whole: bool = True
) -> dict[str, Any]:
    """The report of a run of the kit.

    Args:
        candidate: The provider that was tested.
        outcomes: How every test ended.
        is_whole: Whether all of the kit was to run; a part of it gives no grade.
    """
    manifest = candidate.manifest
    assert manifest is not None, "a provider without a manifest is not tested"
    graded = grade(outcomes, manifest, PARTS)
    stated = {name: manifest.capability(name) for name in CAPABILITIES}
    return {
        "format": REPORT_FORMAT,
        "kit": KIT_VERSION,
        "provider": manifest.name,
        "distribution": candidate.distribution,
        "version": candidate.version,
        "grade": graded.grade if is_whole else None,
        "missing": list(graded.missing) if is_whole else [],
        "dynamo_core": __version__,
        "contract": format_version(CONTRACT_VERSION),
        "python": platform.python_version(),
        "platform": sys.platform,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "parts": count_parts(outcomes),
        "failures": [
            {"part": each.part, "test": each.test, "message": each.message}
            for each in outcomes
            if each.outcome == "failed"
        ],
        "skipped_otherwise": [
            {"part": each.part, "test": each.test, "message": each.message}
            for each in outcomes
            if each.outcome == "skipped" and not each.lacking
        ],
        "capabilities": {name: {"level": each.level, "reason": each.reason} for name, each in stated.items()},
        "claimed_untested": [
            name
            for name, each in stated.items()
            if each.level in {"native", "emulated"} and name not in TESTED
        ],
        "files": hash_package(manifest.path.parent, without=REPORT_FILE),
    }
