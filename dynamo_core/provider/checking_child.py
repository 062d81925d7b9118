"""The process in which one provider is tried out; see :mod:`dynamo_core.provider.checking`."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from dynamo_core.errors import BrokenProviderError, DynamoError
from dynamo_core.provider.discovery import ProviderCandidate
from dynamo_core.provider.loading import load_provider
from dynamo_core.provider.manifest import find_manifest, read_manifest, split_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.provider.checking import Finding


def check(data: Mapping[str, Any]) -> None:
    """Load one provider, answer on what was standard output, and end this process at once."""
    answer = os.dup(1)  # what the provider prints must not mix with the answer
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    candidate = ProviderCandidate(data["name"], data["value"], data["distribution"], data["version"])
    cause = remedy = None
    findings: list[Finding] = []
    try:
        target = load_provider(candidate)
        if data["is_close"]:
            from dynamo_core.provider.examination import examine  # graphs and config, for a closer look only

            findings = examine(target, read_manifest(find_manifest(split_value(candidate.value)[0])))
    except BrokenProviderError as exc:
        cause, remedy = exc.cause, exc.remedy
    except DynamoError as exc:
        cause, remedy = str(exc), ""
    with os.fdopen(answer, "w", encoding="utf-8") as file:
        json.dump({"cause": cause, "remedy": remedy, "findings": findings}, file)
    os._exit(0)  # threads that the provider has started are not waited for
