"""The hooks of this provider, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.provider import hookimpl

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import DependencyDefinition, ServiceDefinition
    from dynamo_core.inprocess.options import InProcessOptions
    from dynamo_core.provider import BoundGraph, DependencyInterface, RunningServices, ServiceInterface


class InProcessHooks:
    """What pluggy calls."""

    @hookimpl
    def create_service(
        self, definition: ServiceDefinition, config: ServiceConfig, options: InProcessOptions
    ) -> ServiceInterface:
        """Bind one service; nothing is started."""
        from dynamo_core.inprocess.service import InProcessService

        return InProcessService(definition, config, options)

    @hookimpl
    def create_dependency(
        self, definition: DependencyDefinition, on: ServiceInterface | None
    ) -> DependencyInterface:
        """Bind one edge; nothing is connected."""
        from dynamo_core.inprocess.dependency import InProcessDependency

        return InProcessDependency(definition, on)

    @hookimpl
    def run_services(
        self, services: BoundGraph, options: InProcessOptions
    ) -> AbstractAsyncContextManager[RunningServices]:
        """Run the graph on the running event loop."""
        from dynamo_core.inprocess.running import run_services

        return run_services(services, options)

    @hookimpl
    def serve_services(self, services: BoundGraph, options: InProcessOptions) -> int:
        """Run the graph in this process until it is told to stop."""
        from dynamo_core.inprocess.serve import serve_services

        return serve_services(services, options)
