"""For provider authors: hooks, interfaces, and what every provider builds on.

Names are imported when they are first used: finding out which providers are installed must not cost what running
one does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.lazy_names import lazy_names

if TYPE_CHECKING:
    from dynamo_core.channel import CallOptions, Channel
    from dynamo_core.client import make_client
    from dynamo_core.host import CallContext, Host, HostedEndpoint
    from dynamo_core.provider.bound import BoundGraph
    from dynamo_core.provider.building import BuildRequest, BuiltArtifact
    from dynamo_core.provider.capabilities import CAPABILITIES, LEVELS, Capability, Level
    from dynamo_core.provider.contract import CONTRACT_VERSION
    from dynamo_core.provider.discovery import ProviderCandidate, discover_providers
    from dynamo_core.provider.events import EVENT_KINDS, ServiceEvent
    from dynamo_core.provider.hookspecs import ProviderHooks, hookimpl
    from dynamo_core.provider.interfaces import DependencyInterface, RunningServices, ServiceInterface
    from dynamo_core.provider.loading import load_provider
    from dynamo_core.provider.manifest import Manifest, read_manifest
    from dynamo_core.provider.outline import ProcessOutline, RunOutline
    from dynamo_core.provider.selection import Selection, explain_selection, select_provider
    from dynamo_core.provider.status import LogLine, RunStatus, ServiceStatus, WorkerStatus
    from dynamo_core.provider.target import DeploymentTarget
    from dynamo_core.transport import Member, ServiceServer, SlotChannel, TransportLimits
    from dynamo_core.worker_kit.notification import notify
    from dynamo_core.worker_kit.supervised import serve_worker
    from dynamo_core.worker_run.bound import WorkerDependency, WorkerService
    from dynamo_core.worker_run.engine import Engine, StartedWorker, WorkerOrder
    from dynamo_core.worker_run.run import WorkerRun, run_workers
    from dynamo_core.worker_run.serve import serve_workers

_MODULES = {
    "BoundGraph": "dynamo_core.provider.bound",
    "BuildRequest": "dynamo_core.provider.building",
    "BuiltArtifact": "dynamo_core.provider.building",
    "CAPABILITIES": "dynamo_core.provider.capabilities",
    "CONTRACT_VERSION": "dynamo_core.provider.contract",
    "CallContext": "dynamo_core.host",
    "CallOptions": "dynamo_core.channel",
    "Capability": "dynamo_core.provider.capabilities",
    "Channel": "dynamo_core.channel",
    "DependencyInterface": "dynamo_core.provider.interfaces",
    "DeploymentTarget": "dynamo_core.provider.target",
    "EVENT_KINDS": "dynamo_core.provider.events",
    "Engine": "dynamo_core.worker_run.engine",
    "Host": "dynamo_core.host",
    "HostedEndpoint": "dynamo_core.host",
    "LEVELS": "dynamo_core.provider.capabilities",
    "Level": "dynamo_core.provider.capabilities",
    "LogLine": "dynamo_core.provider.status",
    "Manifest": "dynamo_core.provider.manifest",
    "Member": "dynamo_core.transport",
    "ProcessOutline": "dynamo_core.provider.outline",
    "ProviderCandidate": "dynamo_core.provider.discovery",
    "ProviderHooks": "dynamo_core.provider.hookspecs",
    "RunOutline": "dynamo_core.provider.outline",
    "RunStatus": "dynamo_core.provider.status",
    "RunningServices": "dynamo_core.provider.interfaces",
    "Selection": "dynamo_core.provider.selection",
    "ServiceEvent": "dynamo_core.provider.events",
    "ServiceInterface": "dynamo_core.provider.interfaces",
    "ServiceServer": "dynamo_core.transport",
    "ServiceStatus": "dynamo_core.provider.status",
    "SlotChannel": "dynamo_core.transport",
    "StartedWorker": "dynamo_core.worker_run.engine",
    "TransportLimits": "dynamo_core.transport",
    "WorkerDependency": "dynamo_core.worker_run.bound",
    "WorkerOrder": "dynamo_core.worker_run.engine",
    "WorkerRun": "dynamo_core.worker_run.run",
    "WorkerService": "dynamo_core.worker_run.bound",
    "WorkerStatus": "dynamo_core.provider.status",
    "discover_providers": "dynamo_core.provider.discovery",
    "explain_selection": "dynamo_core.provider.selection",
    "hookimpl": "dynamo_core.provider.hookspecs",
    "load_provider": "dynamo_core.provider.loading",
    "make_client": "dynamo_core.client",
    "notify": "dynamo_core.worker_kit.notification",
    "read_manifest": "dynamo_core.provider.manifest",
    "run_workers": "dynamo_core.worker_run.run",
    "select_provider": "dynamo_core.provider.selection",
    "serve_worker": "dynamo_core.worker_kit.supervised",
    "serve_workers": "dynamo_core.worker_run.serve",
}

__all__ = [
    "CAPABILITIES",
    "CONTRACT_VERSION",
    "EVENT_KINDS",
    "LEVELS",
    "BoundGraph",
    "BuildRequest",
    "BuiltArtifact",
    "CallContext",
    "CallOptions",
    "Capability",
    "Channel",
    "DependencyInterface",
    "DeploymentTarget",
    "Engine",
    "Host",
    "HostedEndpoint",
    "Level",
    "LogLine",
    "Manifest",
    "Member",
    "ProcessOutline",
    "ProviderCandidate",
    "ProviderHooks",
    "RunOutline",
    "RunStatus",
    "RunningServices",
    "Selection",
    "ServiceEvent",
    "ServiceInterface",
    "ServiceServer",
    "ServiceStatus",
    "SlotChannel",
    "StartedWorker",
    "TransportLimits",
    "WorkerDependency",
    "WorkerOrder",
    "WorkerRun",
    "WorkerService",
    "WorkerStatus",
    "discover_providers",
    "explain_selection",
    "hookimpl",
    "load_provider",
    "make_client",
    "notify",
    "read_manifest",
    "run_workers",
    "select_provider",
    "serve_worker",
    "serve_workers",
]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
