"""The hooks of this provider, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.provider import hookimpl

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from dynamo_circus.options import CircusOptions
    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import DependencyDefinition, ServiceDefinition
    from dynamo_core.provider import (
        BoundGraph,
        DependencyInterface,
        RunningServices,
        RunOutline,
        ServiceInterface,
    )


class CircusHooks:
    """What pluggy calls."""

    @hookimpl
    def create_service(
        self, definition: ServiceDefinition, config: ServiceConfig, options: CircusOptions
    ) -> ServiceInterface:
        """Bind one service; nothing is started."""
        from dynamo_circus.service import CircusService

        return CircusService(definition, config, options)

    @hookimpl
    def create_dependency(
        self, definition: DependencyDefinition, on: ServiceInterface | None, options: CircusOptions
    ) -> DependencyInterface:
        """Bind one edge; nothing is connected."""
        from dynamo_circus.dependency import CircusDependency

        return CircusDependency(definition, on)

    @hookimpl
    def outline_services(self, services: BoundGraph, options: CircusOptions) -> RunOutline:
        """Say what a run would consist of; nothing is started."""
        from dynamo_circus.outline import outline_services

        return outline_services(services, options)

    @hookimpl
    def run_services(
        self, services: BoundGraph, options: CircusOptions
    ) -> AbstractAsyncContextManager[RunningServices]:
        """Run the graph under a supervisor process of its own."""
        from dynamo_circus.run import run_services

        return run_services(services, options)

    @hookimpl
    def serve_services(self, services: BoundGraph, options: CircusOptions) -> int:
        """Be the supervisor of the graph until it is stopped."""
        from dynamo_core.startup import without_collection  # this process is ours

        with without_collection():
            from dynamo_circus.serve import serve_services

        return serve_services(services, options)
