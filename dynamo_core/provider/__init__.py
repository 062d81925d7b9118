"""For provider authors: hooks, interfaces, and what every provider builds on.

Names are imported when they are first used: finding out which providers are installed must not cost what running
one does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynamo_core.provider.bound import BoundGraph
    from dynamo_core.provider.capabilities import CAPABILITIES, LEVELS, Capability, Level
    from dynamo_core.provider.contract import CONTRACT_VERSION
    from dynamo_core.provider.discovery import ProviderCandidate, discover_providers
    from dynamo_core.provider.events import EVENT_KINDS, ServiceEvent
    from dynamo_core.provider.hookspecs import ProviderHooks, hookimpl
    from dynamo_core.provider.interfaces import DependencyInterface, RunningServices, ServiceInterface
    from dynamo_core.provider.loading import load_provider
    from dynamo_core.provider.manifest import Manifest, read_manifest
    from dynamo_core.provider.selection import Selection, explain_selection, select_provider
    from dynamo_core.provider.status import LogLine, RunStatus, ServiceStatus, WorkerStatus
    from dynamo_core.provider.target import DeploymentTarget

_MODULES = {
    "BoundGraph": "dynamo_core.provider.bound",
    "CAPABILITIES": "dynamo_core.provider.capabilities",
    "CONTRACT_VERSION": "dynamo_core.provider.contract",
    "Capability": "dynamo_core.provider.capabilities",
    "DependencyInterface": "dynamo_core.provider.interfaces",
    "DeploymentTarget": "dynamo_core.provider.target",
    "EVENT_KINDS": "dynamo_core.provider.events",
    "LEVELS": "dynamo_core.provider.capabilities",
    "Level": "dynamo_core.provider.capabilities",
    "LogLine": "dynamo_core.provider.status",
    "Manifest": "dynamo_core.provider.manifest",
    "ProviderCandidate": "dynamo_core.provider.discovery",
    "ProviderHooks": "dynamo_core.provider.hookspecs",
    "RunStatus": "dynamo_core.provider.status",
    "RunningServices": "dynamo_core.provider.interfaces",
    "Selection": "dynamo_core.provider.selection",
    "ServiceEvent": "dynamo_core.provider.events",
    "ServiceInterface": "dynamo_core.provider.interfaces",
    "ServiceStatus": "dynamo_core.provider.status",
    "WorkerStatus": "dynamo_core.provider.status",
    "discover_providers": "dynamo_core.provider.discovery",
    "explain_selection": "dynamo_core.provider.selection",
    "hookimpl": "dynamo_core.provider.hookspecs",
    "load_provider": "dynamo_core.provider.loading",
    "read_manifest": "dynamo_core.provider.manifest",
    "select_provider": "dynamo_core.provider.selection",
}

__all__ = [
    "CAPABILITIES",
    "CONTRACT_VERSION",
    "EVENT_KINDS",
    "LEVELS",
    "BoundGraph",
    "Capability",
    "DependencyInterface",
    "DeploymentTarget",
    "Level",
    "LogLine",
    "Manifest",
    "ProviderCandidate",
    "ProviderHooks",
    "RunStatus",
    "RunningServices",
    "Selection",
    "ServiceEvent",
    "ServiceInterface",
    "ServiceStatus",
    "WorkerStatus",
    "discover_providers",
    "explain_selection",
    "hookimpl",
    "load_provider",
    "read_manifest",
    "select_provider",
]


def __getattr__(name: str) -> object:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
