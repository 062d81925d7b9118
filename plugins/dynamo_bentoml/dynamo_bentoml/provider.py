"""The hooks of this provider, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.provider import hookimpl

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from dynamo_bentoml.options import BentoMLOptions
    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import DependencyDefinition, ServiceDefinition
    from dynamo_core.provider import (
        BoundGraph,
        BuildRequest,
        BuiltArtifact,
        DependencyInterface,
        RunningServices,
        ServiceInterface,
    )


class BentoMLHooks:
    """What pluggy calls."""

    @hookimpl
    def create_service(
        self, definition: ServiceDefinition, config: ServiceConfig, options: BentoMLOptions
    ) -> ServiceInterface:
        """Bind one service; nothing is started."""
        from dynamo_bentoml.service import BentoMLService

        return BentoMLService(definition, config, options)

    @hookimpl
    def create_dependency(
        self, definition: DependencyDefinition, on: ServiceInterface | None, options: BentoMLOptions
    ) -> DependencyInterface:
        """Bind one edge; nothing is connected."""
        from dynamo_bentoml.dependency import BentoMLDependency

        return BentoMLDependency(definition, on)

    @hookimpl
    def build_services(
        self, services: BoundGraph, request: BuildRequest, options: BentoMLOptions
    ) -> BuiltArtifact:
        """Build a Bento."""
        from dynamo_bentoml.build import build_bento

        return build_bento(services, request)

    @hookimpl
    def run_services(
        self, services: BoundGraph, options: BentoMLOptions
    ) -> AbstractAsyncContextManager[RunningServices]:
        """Run the graph beside the caller's program."""
        from dynamo_bentoml.run import run_services

        return run_services(services, options)

    @hookimpl
    def serve_services(self, services: BoundGraph, options: BentoMLOptions) -> int:
        """Supervise the graph until it is stopped."""
        from dynamo_bentoml.serve import serve_services

        return serve_services(services, options)
