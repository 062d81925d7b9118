"""For service authors: declare services, link them into graphs, and call them.

Names are imported when they are first used, because the command line imports this package to print its help.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.lazy_names import lazy_names

if TYPE_CHECKING:
    from dynamo_core._version import __version__
    from dynamo_core.client import (
        endpoint_of,
        to_async,
        to_async_stream,
        to_sync,
        to_sync_stream,
        with_options,
    )
    from dynamo_core.config import (
        DynamoConfig,
        HttpConfig,
        ResourceConfig,
        ServiceConfig,
        SupervisionConfig,
        TrafficConfig,
    )
    from dynamo_core.context import ServiceContext
    from dynamo_core.dependency import Dependency, depends
    from dynamo_core.endpoint_mark import api, endpoint
    from dynamo_core.errors import (
        BlockingCallError,
        CallCancelledError,
        CallError,
        CallTimeoutError,
        DynamoError,
        InvalidRequestError,
        OverloadedError,
        RemoteCallError,
        ServiceUnavailableError,
        UnboundDependencyError,
        UnsupportedValueError,
        WorkerLostError,
    )
    from dynamo_core.graph import ServiceGraph, link
    from dynamo_core.host import CallContext, current_call
    from dynamo_core.lifecycle import async_on_start, liveness, on_shutdown, on_start, readiness
    from dynamo_core.service_mark import service

_MODULES = {
    "BlockingCallError": "dynamo_core.errors",
    "CallCancelledError": "dynamo_core.errors",
    "CallContext": "dynamo_core.host",
    "CallError": "dynamo_core.errors",
    "CallTimeoutError": "dynamo_core.errors",
    "Dependency": "dynamo_core.dependency",
    "DynamoConfig": "dynamo_core.config",
    "DynamoError": "dynamo_core.errors",
    "HttpConfig": "dynamo_core.config",
    "InvalidRequestError": "dynamo_core.errors",
    "OverloadedError": "dynamo_core.errors",
    "RemoteCallError": "dynamo_core.errors",
    "ResourceConfig": "dynamo_core.config",
    "ServiceConfig": "dynamo_core.config",
    "ServiceContext": "dynamo_core.context",
    "ServiceGraph": "dynamo_core.graph",
    "ServiceUnavailableError": "dynamo_core.errors",
    "SupervisionConfig": "dynamo_core.config",
    "TrafficConfig": "dynamo_core.config",
    "UnboundDependencyError": "dynamo_core.errors",
    "UnsupportedValueError": "dynamo_core.errors",
    "WorkerLostError": "dynamo_core.errors",
    "__version__": "dynamo_core._version",
    "api": "dynamo_core.endpoint_mark",
    "async_on_start": "dynamo_core.lifecycle",
    "current_call": "dynamo_core.host",
    "depends": "dynamo_core.dependency",
    "endpoint": "dynamo_core.endpoint_mark",
    "endpoint_of": "dynamo_core.client",
    "link": "dynamo_core.graph",
    "liveness": "dynamo_core.lifecycle",
    "on_shutdown": "dynamo_core.lifecycle",
    "on_start": "dynamo_core.lifecycle",
    "readiness": "dynamo_core.lifecycle",
    "service": "dynamo_core.service_mark",
    "to_async": "dynamo_core.client",
    "to_async_stream": "dynamo_core.client",
    "to_sync": "dynamo_core.client",
    "to_sync_stream": "dynamo_core.client",
    "with_options": "dynamo_core.client",
}

__all__ = [
    "BlockingCallError",
    "CallCancelledError",
    "CallContext",
    "CallError",
    "CallTimeoutError",
    "Dependency",
    "DynamoConfig",
    "DynamoError",
    "HttpConfig",
    "InvalidRequestError",
    "OverloadedError",
    "RemoteCallError",
    "ResourceConfig",
    "ServiceConfig",
    "ServiceContext",
    "ServiceGraph",
    "ServiceUnavailableError",
    "SupervisionConfig",
    "TrafficConfig",
    "UnboundDependencyError",
    "UnsupportedValueError",
    "WorkerLostError",
    "__version__",
    "api",
    "async_on_start",
    "current_call",
    "depends",
    "endpoint",
    "endpoint_of",
    "link",
    "liveness",
    "on_shutdown",
    "on_start",
    "readiness",
    "service",
    "to_async",
    "to_async_stream",
    "to_sync",
    "to_sync_stream",
    "with_options",
]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
