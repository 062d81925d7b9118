"""The process in which one provider or extension is tried out; see :mod:`dynamo_core.provider.checking`."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from dynamo_core.errors import BrokenExtensionError, BrokenProviderError, DynamoError
from dynamo_core.provider.discovery import InstalledEntryPoint, ProviderCandidate
from dynamo_core.provider.importing import mend_command
from dynamo_core.provider.loading import load_provider
from dynamo_core.provider.manifest import find_manifest, read_manifest, split_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.provider.checking import Finding, Kind


def check(data: Mapping[str, Any]) -> None:
    """Load one provider or extension, answer on what was standard output, and end this process at once."""
    answer = os.dup(1)  # what the provider prints must not mix with the answer
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    found = InstalledEntryPoint(data["name"], data["value"], data["distribution"], data["version"])
    cause = remedy = None
    findings: list[Finding] = []
    try:
        findings = _try(found, data["kind"])
    except BrokenProviderError as exc:
        cause, remedy = exc.cause, exc.remedy
    except BrokenExtensionError as exc:
        cause, remedy = exc.cause, mend_command(exc.distribution)
    except DynamoError as exc:
        cause, remedy = str(exc), ""
    with os.fdopen(answer, "w", encoding="utf-8") as file:
        json.dump({"cause": cause, "remedy": remedy, "findings": findings}, file)
    os._exit(0)  # threads that the provider has started are not waited for


def _try(found: InstalledEntryPoint, kind: Kind) -> list[Finding]:
    if kind == "extension":
        from dynamo_core.provider.extensions import try_extension  # as asked

        try_extension(found)
        return []
    target = load_provider(ProviderCandidate(*found))
    if kind == "provider":
        return []
    from dynamo_core.provider.examination import examine  # graphs and config, for a closer look only

    return examine(target, read_manifest(find_manifest(split_value(found.value)[0])))
