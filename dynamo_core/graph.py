"""Graphs of services: collected from what classes depend on, checked as a whole before anything starts."""

from __future__ import annotations

import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import attrs

from dynamo_core.errors import DeclarationError, Location, ServiceNotFoundError
from dynamo_core.graph_binding import Candidates
from dynamo_core.graph_collection import Collection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import ServiceDefinition

_NO_BINDINGS: Final[Mapping[tuple[str, str], str]] = MappingProxyType({})


@attrs.frozen(kw_only=True, eq=False)
class ServiceGraph:
    """A checked graph: every edge is bound, left out by :func:`link`, or leads to an address.

    Attributes:
        name: Name of the graph: that of its entry service.
        entry: The service that the graph was named by, which HTTP reaches under the port asked for.
        services: All of them, dependencies first.
    """

    name: str
    entry: ServiceDefinition = attrs.field(repr=lambda entry: repr(entry.name))
    services: tuple[ServiceDefinition, ...] = attrs.field(
        repr=lambda services: str([s.name for s in services])
    )

    @property
    def all_services(self) -> tuple[ServiceDefinition, ...]:
        """All services, dependencies first."""
        return self.services

    def find_service(self, service: type | str) -> ServiceDefinition:
        """The service of that class or name.

        Raises:
            ServiceNotFoundError: The graph has none.
        """
        for definition in self.services:
            if service in {definition.name, definition.inner}:
                return definition
        wanted = service if isinstance(service, str) else service.__qualname__
        raise ServiceNotFoundError(wanted, known=[definition.name for definition in self.services])

    def with_configs(self, configs: Mapping[str, ServiceConfig]) -> ServiceGraph:
        """The same graph with other configurations.

        Args:
            configs: By name of the service; those that are not named keep theirs.

        Raises:
            ServiceNotFoundError: A name is none of the graph's.
        """
        for name in configs:
            self.find_service(name)
        services = tuple(
            attrs.evolve(each, config=configs[each.name]) if each.name in configs else each
            for each in self.services
        )
        entry = next(each for each in services if each.name == self.entry.name)
        return attrs.evolve(self, entry=entry, services=services)

    def rebound(self, bindings: Mapping[tuple[str, str], str]) -> ServiceGraph:
        """The same graph with some edges bound to other services.

        Args:
            bindings: Name of a service by name and attribute of the edge's owner.

        Raises:
            GraphError: A binding does not fit.
        """
        if not bindings:
            return self
        collection = Collection(bindings, _only(*(each.inner for each in self.services)))
        for each in self.services:
            collection.give(each)
        collection.add(self.entry.inner)
        return _finish(collection, self.entry.inner)


def collect(cls: type, *, bindings: Mapping[tuple[str, str], str] = _NO_BINDINGS) -> ServiceGraph:
    """Collect and check the graph of a service and of everything that it depends on.

    Args:
        cls: Its class.
        bindings: Services for edges that name an abstract class, by name and attribute of the edge's owner.

    Raises:
        GraphError: The declarations have mistakes; all of them are in it.
    """
    collection = Collection(bindings)
    collection.add(cls)
    return _finish(collection, cls)


def collect_graph(
    roots: Sequence[ServiceDefinition],
    *,
    entry: ServiceDefinition,
    bindings: Mapping[tuple[str, str], str] = _NO_BINDINGS,
) -> ServiceGraph:
    """Collect and check the graph of some services and of everything that they depend on.

    Args:
        roots: Each stands for its class wherever another service depends on that, and for an abstract class that
            it implements.
        entry: One of them.
        bindings: As for :func:`collect`.

    Raises:
        GraphError: The declarations have mistakes; all of them are in it.
    """
    collection = Collection(bindings, Candidates(classes=tuple(root.inner for root in roots)))
    for root in roots:
        collection.give(root)
    for root in roots:
        collection.add(root.inner)
    return _finish(collection, entry.inner)


def link(
    entry: type, /, *services: type, bindings: Mapping[tuple[str, str], str] = _NO_BINDINGS
) -> ServiceGraph:
    """Make a graph of chosen services only.

    Edges between them are kept, edges to others are left out (using one is an error), and an edge that names an
    abstract class or a protocol is bound to the one among them that implements it.
    The classes are not changed, so that one class may be in several graphs.

    Args:
        entry: The service that the graph is named by.
        *services: The other ones; each must be reached from *entry*.
        bindings: Names of services for edges that several of them could stand for, by name and attribute of the
            edge's owner.

    Raises:
        DeclarationError: What is given is no class.
        GraphError: The declarations have mistakes, or a service is not reached; all are in it.
    """
    for given in (entry, *services):
        if not isinstance(given, type):
            frame = sys._getframe(1)
            where = Location(frame.f_code.co_filename, frame.f_lineno)
            raise DeclarationError(f"link() takes the classes of services, got {given!r}", where)
    collection = Collection(bindings, _only(entry, *services))
    collection.add(entry)
    collection.check_reached(entry, services)
    return _finish(collection, entry)


def _only(*services: type) -> Candidates:
    return Candidates(classes=tuple(dict.fromkeys(services)), are_all=True)


def _finish(collection: Collection, entry: type) -> ServiceGraph:
    services = collection.finish(entry)
    found = next(definition for definition in services if definition.inner is entry)
    return ServiceGraph(name=found.name, entry=found, services=services)
