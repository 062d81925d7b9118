"""Bind a checked graph to a provider, and run or serve it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import attrs

from dynamo_core.provider.bound import BoundGraph
from dynamo_core.provider.events import ServiceEvent
from dynamo_core.provider.run_context import RunContext
from dynamo_core.provider.status import LogLine

if TYPE_CHECKING:
    from dynamo_core.graph import ServiceGraph
    from dynamo_core.provider.building import BuildRequest, BuiltArtifact
    from dynamo_core.provider.interfaces import DependencyInterface, ServiceInterface
    from dynamo_core.provider.manager import HookManager
    from dynamo_core.provider.outline import RunOutline
    from dynamo_core.provider.target import DeploymentTarget

logger = logging.getLogger(__name__)

Listener = Callable[[ServiceEvent], None]
ShowLines = Callable[[Sequence[LogLine]], None]

_NONE_CREATED: Final[Mapping[str, ServiceInterface]] = MappingProxyType({})


def bind_graph(
    manager: HookManager,
    graph: ServiceGraph,
    options: object,
    *,
    created: Mapping[str, ServiceInterface] = _NONE_CREATED,
    listeners: Sequence[Listener] = (),
) -> BoundGraph:
    """Call ``create_service`` and ``create_dependency`` for everything in *graph*; nothing is started.

    Args:
        manager: The hooks.
        graph: A checked graph.
        options: The provider's options.
        created: Services that are bound already, by name.
        listeners: Who hears of events before the extensions do.

    Raises:
        HookError: A hook returned something unusable.
        DynamoError: The provider cannot run a service, and says why.
    """
    services: dict[str, ServiceInterface] = {}
    edges: dict[str, dict[str, DependencyInterface]] = {}
    for definition in graph.services:
        service = created.get(definition.name)
        if service is None:
            service = manager.create_service(definition, definition.config, options)
        else:
            service.definition = definition  # it was created before its edges were bound
        services[definition.name] = service
        edges[definition.name] = bound_edges = {}
        for attribute, edge in definition.dependencies.items():
            if edge.service_name is None and edge.url is None:
                continue  # link() left it out
            on = None if edge.service_name is None else services[edge.service_name]
            dependency = manager.create_dependency(edge, on, options)
            bound_edges[attribute] = dependency
            service.bind_dependency(attribute, dependency)
    return BoundGraph(
        name=graph.name,
        entry=services[graph.entry.name],
        services=tuple(services.values()),
        dependencies=edges,
        emit=_emitter(manager, listeners),
    )


def _emitter(manager: HookManager, listeners: Sequence[Listener]) -> Listener:
    def emit(event: ServiceEvent) -> None:
        for listener in listeners:
            try:
                listener(event)
            except Exception:
                logger.exception("a listener failed to hear of %s", event.kind)
        manager.emit(event)

    return emit


def run_graph(
    target: DeploymentTarget,
    graph: ServiceGraph,
    *,
    options: Mapping[str, Any] = MappingProxyType({}),
    listeners: Sequence[Listener] = (),
) -> RunContext:
    """Run a checked graph beside the calling program; both forms of ``with`` work on what is returned.

    Args:
        target: The provider.
        graph: A checked graph.
        options: The provider's options by name.
        listeners: Who hears of events.

    Raises:
        ConfigError: An option is unknown or wrong.
    """
    target.check_graph(graph)
    given = target.read_options(options)
    manager = target.hook_manager()
    return RunContext(manager, lambda: bind_graph(manager, graph, given, listeners=listeners), given)


def build_graph(
    target: DeploymentTarget,
    graph: ServiceGraph,
    request: BuildRequest,
    *,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> BuiltArtifact:
    """Have a provider build a checked graph into something that can be shipped.

    Args:
        target: The provider.
        graph: A checked graph.
        request: Where from, and under which name.
        options: The provider's options by name.

    Raises:
        ConfigError: An option is unknown or wrong.
        UnsupportedOperationError: The provider builds nothing.
    """
    target.check_graph(graph)
    given = target.read_options(options)
    manager = target.hook_manager()
    return manager.build_services(bind_graph(manager, graph, given), request, given)


def outline_graph(
    target: DeploymentTarget, graph: ServiceGraph, *, options: Mapping[str, Any] = MappingProxyType({})
) -> RunOutline:
    """Find out what a run of a checked graph would consist of; nothing is started.

    Args:
        target: The provider.
        graph: A checked graph.
        options: The provider's options by name.

    Raises:
        ConfigError: An option is unknown or wrong.
        UnsupportedOperationError: The provider cannot say.
    """
    target.check_graph(graph)
    given = target.read_options(options)
    manager = target.hook_manager()
    return manager.outline_services(bind_graph(manager, graph, given), given)


def serve_graph(
    target: DeploymentTarget,
    graph: ServiceGraph,
    *,
    options: Mapping[str, Any] = MappingProxyType({}),
    listeners: Sequence[Listener] = (),
    show_lines: ShowLines | None = None,
) -> int:
    """Run a checked graph as the whole purpose of this process, until it is stopped.

    Args:
        target: The provider.
        graph: A checked graph.
        options: The provider's options by name.
        listeners: Who hears of events.
        show_lines: Shows what workers write; must not block.

    Returns:
        The exit code of the command.

    Raises:
        ConfigError: An option is unknown or wrong.
        StartError: A service did not start.
    """
    target.check_graph(graph)
    given = target.read_options(options)
    manager = target.hook_manager()
    bound = bind_graph(manager, graph, given, listeners=listeners)
    return manager.serve_services(attrs.evolve(bound, show_lines=show_lines), given)
