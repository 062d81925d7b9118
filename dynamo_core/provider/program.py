"""What one program has asked of a ``DeploymentTarget`` so far."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from dynamo_core.errors import ConfigError, DynamoError, GraphError, Location, Problem, ServiceNotFoundError
from dynamo_core.provider.discovery import contract_problem
from dynamo_core.provider.interfaces import ServiceInterface
from dynamo_core.provider.manager import HookManager
from dynamo_core.provider.manifest import Manifest, find_manifest, read_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.config import DynamoConfig, ServiceConfig
    from dynamo_core.graph import ServiceGraph
    from dynamo_core.provider.interfaces import DependencyInterface
    from dynamo_core.provider.target import DeploymentTarget


class Program:
    """Remembers what was created, in order, and keeps the hooks.

    Args:
        target: The provider.
    """

    def __init__(self, target: DeploymentTarget) -> None:
        self._target = target
        self._manager: HookManager | None = None
        self._created: dict[str, ServiceInterface] = {}
        self.name = type(target).__name__
        self._manifest = _manifest_of(type(target).__module__)
        if self._manifest is not None:
            self.name = self._manifest.name

    @property
    def manager(self) -> HookManager:
        """The provider's hooks with the installed extensions around them."""
        return self.open_manager()

    def open_manager(self, *, is_strict: bool | None = None) -> HookManager:
        """The same; the first use decides whether a broken extension is an error, None by the environment."""
        if self._manager is None:
            from dynamo_core.provider.extensions import add_extensions  # imports extensions

            self.check_contract()
            manager = HookManager(self.name, self._target.hooks())
            add_extensions(manager, os.environ, Path.cwd(), is_strict=is_strict)
            self._manager = manager
        return self._manager

    def check_contract(self) -> None:
        """Make sure that this core is one the provider was made for.

        Raises:
            ContractMismatchError: It is not.
        """
        if self._manifest is not None:
            problem = contract_problem(self.name, type(self._target).__module__.split(".")[0], self._manifest)
            if problem is not None:
                raise problem

    def check_graph(self, graph: ServiceGraph) -> None:
        """Make sure that a graph asks for nothing that the provider's manifest says it refuses.

        Raises:
            UnsupportedOperationError: It does.
        """
        if self._manifest is not None:
            from dynamo_core.provider.usage import refuse_unsupported  # config, needed only now

            refuse_unsupported(self._manifest, graph)

    def create_service(
        self,
        service_cls: type,
        config: ServiceConfig | Mapping[str, Any] | None,
        dynamo_config: DynamoConfig | Mapping[str, Any] | None,
        options: object,
    ) -> ServiceInterface:
        """Define, bind and remember one service."""
        from dynamo_core.provider.declared import define  # values and config, needed only now

        definition = define(service_cls)
        merged = _merge(definition.name, definition.config, config, dynamo_config)
        definition = attrs.evolve(definition, config=merged)
        if definition.name in self._created:
            message = (
                f"a service named {definition.name!r} was created already; give one of them another name"
            )
            raise GraphError(definition.name, [Problem(message, definition.location)])
        created = self.manager.create_service(definition, merged, options)
        self._created[definition.name] = created
        return created

    def create_dependency(self, on: ServiceInterface | type | None, options: object) -> DependencyInterface:
        """Bind an edge that leads from the program itself to one of its services."""
        from dynamo_core.definition import DependencyDefinition  # as above

        service = self._find(on)
        definition = DependencyDefinition(
            attribute="", on=service.inner, location=Location("<program>", 0), service_name=service.name
        )
        return self.manager.create_dependency(definition, service, options)

    def _find(self, on: ServiceInterface | type | None) -> ServiceInterface:
        if isinstance(on, ServiceInterface):
            return on
        found = [service for service in self._created.values() if on is None or service.inner is on]
        if len(found) == 1:
            return found[0]
        if on is not None:
            raise ServiceNotFoundError(on.__qualname__, known=list(self._created))
        raise DynamoError(
            "create_dependency() without a service needs exactly one that was created, there are "
            f"{len(found)}: {', '.join(self._created) or 'none'}"
        )

    def graph(self) -> tuple[ServiceGraph, Mapping[str, ServiceInterface]]:
        """The graph of everything created, checked, and what of it is bound already.

        Raises:
            GraphError: The declarations have mistakes.
            UnsupportedOperationError: They ask for what the provider refuses.
            DynamoError: Nothing was created.
        """
        from dynamo_core.provider.declared import graph_of  # as above

        if not self._created:
            raise DynamoError("nothing to run: call create_service() first")
        graph = graph_of([service.definition for service in self._created.values()])
        self.check_graph(graph)
        return graph, dict(self._created)


def _manifest_of(module: str) -> Manifest | None:
    """The manifest beside a provider's module; None for a class of a script or a test."""
    try:
        return read_manifest(find_manifest(module))
    except (LookupError, ValueError):
        return None


def _merge(
    name: str,
    declared: ServiceConfig,
    config: ServiceConfig | Mapping[str, Any] | None,
    dynamo_config: DynamoConfig | Mapping[str, Any] | None,
) -> ServiceConfig:
    """The configuration of one service; what is given takes the place of what the decorator says."""
    from dynamo_core.config import DynamoConfig, ServiceConfig  # as above

    merged = declared
    if config is not None:
        merged = config if isinstance(config, ServiceConfig) else ServiceConfig(config)
    if dynamo_config is None:
        return merged
    if config is not None and merged.dynamo != DynamoConfig():
        raise ConfigError(f"services.{name}.dynamo is given twice: in config and as dynamo_config")
    if not isinstance(dynamo_config, DynamoConfig):
        dynamo_config = DynamoConfig(dynamo_config)
    return attrs.evolve(merged, dynamo=dynamo_config)
