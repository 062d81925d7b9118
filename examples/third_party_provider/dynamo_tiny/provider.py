"""The hooks of this provider, and nothing else."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from dynamo_core import ServiceConfig
from dynamo_core.definition import DependencyDefinition, ServiceDefinition
from dynamo_core.provider import (
    BoundGraph,
    RunningServices,
    ServiceInterface,
    WorkerDependency,
    WorkerService,
    hookimpl,
    run_workers,
    serve_workers,
)
from dynamo_tiny.engine import SubprocessEngine
from dynamo_tiny.target import TinyOptions


class TinyHooks:
    """What core calls."""

    @hookimpl
    def create_service(self, definition: ServiceDefinition, config: ServiceConfig) -> WorkerService:
        """Bind one service; nothing is started."""
        return WorkerService(definition, config)

    @hookimpl
    def create_dependency(
        self, definition: DependencyDefinition, on: ServiceInterface | None
    ) -> WorkerDependency:
        """Bind one edge; nothing is connected."""
        return WorkerDependency(definition, on)

    @hookimpl
    def run_services(
        self, services: BoundGraph, options: TinyOptions
    ) -> AbstractAsyncContextManager[RunningServices]:
        """Run the graph beside the calling program."""
        return run_workers(services, SubprocessEngine(options), provider="tiny")

    @hookimpl
    def serve_services(self, services: BoundGraph, options: TinyOptions) -> int:
        """Run the graph until it is told to stop."""
        return serve_workers(services, SubprocessEngine(options), provider="tiny")
