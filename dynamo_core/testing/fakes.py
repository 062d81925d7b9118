"""Put other classes in the place of services of a graph, for a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from dynamo_core.errors import GraphError, Problem
from dynamo_core.graph import ServiceGraph, collect
from dynamo_core.inspection.interface import find_misfits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dynamo_core.definition import ServiceDefinition


def with_fakes(graph: ServiceGraph, fakes: Mapping[type, type], keep: Iterable[str] = ()) -> ServiceGraph:
    """The graph with a fake in the place, and under the name, of each service that one is given for.

    What a fake depends on joins the graph; what only the real service depended on leaves it.

    Args:
        graph: A checked graph; it stays as it is.
        fakes: Class of the fake by class of the service. A fake may leave out endpoints that the test does not call.
        keep: Names of services that stay whether or not the entry leads to them.

    Raises:
        ServiceNotFoundError: The graph has no such service.
        GraphError: A fake's declarations have mistakes, or it cannot be called as the real one.
    """
    by_name = {service.name: service for service in graph.services}
    for real_class, fake_class in fakes.items():
        real = graph.find_service(real_class)
        *beneath, fake = collect(fake_class).services
        _check(fake, real)
        for service in beneath:
            by_name.setdefault(service.name, service)
        by_name[real.name] = attrs.evolve(fake, name=real.name)
    ordered: dict[str, ServiceDefinition] = {}
    for name in (graph.entry.name, *keep):
        _take_in(name, by_name, ordered)
    return attrs.evolve(graph, entry=ordered[graph.entry.name], services=tuple(ordered.values()))


def _check(fake: ServiceDefinition, real: ServiceDefinition) -> None:
    attributes = {endpoint.attribute for endpoint in fake.endpoints.values()}
    endpoints = {name: each for name, each in real.endpoints.items() if each.attribute in attributes}
    misfits = find_misfits(fake, attrs.evolve(real, endpoints=endpoints))
    if misfits:
        text = f"{fake.name} cannot be called as {real.name}: {'; '.join(misfits)}"
        raise GraphError(real.name, [Problem(text, fake.location)])


def _take_in(
    name: str, by_name: Mapping[str, ServiceDefinition], ordered: dict[str, ServiceDefinition]
) -> None:
    """Add a service after everything that it depends on."""
    if name in ordered:
        return
    service = by_name[name]
    for edge in service.dependencies.values():
        if edge.service_name is not None:
            _take_in(edge.service_name, by_name, ordered)
    ordered[name] = service
