"""One service of a graph on its own, with addresses in the place of what it depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import click

from dynamo_core.errors import ServiceNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynamo_core.definition import DependencyDefinition
    from dynamo_core.graph import ServiceGraph

SCHEMES = ("unix:/", "http://", "https://")


def read_addresses(ctx: click.Context, given: Sequence[str]) -> Mapping[str, str]:
    """Addresses by service, from texts such as ``Backend=unix:/path``.

    Raises:
        click.UsageError: One is neither, or names a service twice.
    """
    addresses: dict[str, str] = {}
    for text in given:
        name, _, address = text.partition("=")
        if not name or not address.startswith(SCHEMES):
            raise click.UsageError(
                f"--depends takes SERVICE=unix:/PATH or SERVICE=http://..., got {text!r}", ctx
            )
        if name in addresses:
            raise click.UsageError(f"--depends gives {name} two addresses", ctx)
        addresses[name] = address
    return addresses


def reduce_graph(
    ctx: click.Context, graph: ServiceGraph, service_name: str, addresses: Mapping[str, str]
) -> ServiceGraph:
    """*graph* with one service only, whose edges lead to *addresses*.

    Raises:
        ServiceNotFoundError: The graph has no such service, or the service does not depend on one that has an
            address.
        click.UsageError: A service that it depends on has no address.
    """
    known = {service.name: service for service in graph.services}
    if service_name not in known:
        raise ServiceNotFoundError(service_name, known=list(known))
    service = known[service_name]
    needed = {edge.service_name for edge in service.dependencies.values() if edge.service_name is not None}
    for name in addresses:
        if name not in needed:
            raise ServiceNotFoundError(name, known=sorted(needed))
    if missing := sorted(needed.difference(addresses)):
        options = " ".join(f"--depends {name}=unix:/PATH" for name in missing)
        raise click.UsageError(
            f"{service_name} alone needs to know where {', '.join(missing)} can be reached: {options}", ctx
        )
    edges = {name: _lead(edge, addresses) for name, edge in service.dependencies.items()}
    alone = attrs.evolve(service, dependencies=edges)
    return attrs.evolve(graph, entry=alone, services=(alone,))


def _lead(edge: DependencyDefinition, addresses: Mapping[str, str]) -> DependencyDefinition:
    if edge.service_name is None:
        return edge  # left out by link(), or it leads out of the run already
    name = edge.service_name
    return attrs.evolve(edge, service_name=None, url=addresses[name], remote_name=name)
