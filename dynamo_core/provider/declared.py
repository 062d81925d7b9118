"""The way from classes that a program names to a checked graph; the only place here that reads declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from dynamo_core.graph import collect_graph
from dynamo_core.inspection import define_service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_core.definition import ServiceDefinition
    from dynamo_core.graph import ServiceGraph


def define(service_cls: type) -> ServiceDefinition:
    """What a class declares, with or without ``@service``.

    Raises:
        DeclarationError: It can be no service.
    """
    return define_service(service_cls)


def graph_of(created: Sequence[ServiceDefinition]) -> ServiceGraph:
    """The checked graph of some services and of everything that they depend on.

    Args:
        created: Definitions in the order of creation; each stands for its class wherever another service depends
            on that. The entry is the last one that no other of them depends on.

    Raises:
        GraphError: The declarations have mistakes.
    """
    graph = collect_graph(created, entry=created[-1])
    needed = {edge.service_name for each in graph.services for edge in each.dependencies.values()}
    entry = next((each for each in reversed(created) if each.name not in needed), created[-1])
    return attrs.evolve(graph, name=entry.name, entry=graph.find_service(entry.name))
