"""Walks from service to service along their dependencies, binds the edges, and gathers every mistake on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from dynamo_core.graph_binding import ANY_CLASS, Binder, Candidates
from dynamo_core.inspection import NO_SERVICE, Problems, inspect_service, is_abstract, is_service, short_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynamo_core.definition import DependencyDefinition, ServiceDefinition


class Collection:
    """Services on their way to a graph.

    Args:
        bindings: Name of a service by name and attribute of the edge's owner.
        candidates: What edges may be bound to.
    """

    def __init__(self, bindings: Mapping[tuple[str, str], str], candidates: Candidates = ANY_CLASS) -> None:
        self._definitions: dict[type, ServiceDefinition] = {}
        self._targets: dict[tuple[type, str], type] = {}
        self._path: list[type] = []
        self._visited: dict[type, None] = {}
        self._cycles: set[frozenset[type]] = set()
        self.problems = Problems()
        self._binder = Binder(
            define=self._define,
            bindings=bindings,
            candidates=candidates,
            targets=self._targets,
            problems=self.problems,
        )

    def give(self, definition: ServiceDefinition) -> None:
        """Take in a definition that was read before; it stands for its class."""
        self._definitions[definition.inner] = definition

    def add(self, cls: type) -> None:
        """Take in a service that the caller names, and all that it depends on."""
        if self._can_run(cls):
            self._visit(cls)

    def check_reached(self, entry: type, services: Sequence[type]) -> None:
        """Make sure that each of *services* can be run, and was reached on the way from *entry*."""
        for cls in services:
            if cls not in self._visited and self._can_run(cls):
                self.problems.add(
                    f"{short_name(cls)} is linked and not reached from {short_name(entry)}: "
                    f"{self._binder.explain_unreached(cls)}",
                    self._define(cls).location,
                )

    def finish(self, entry: type) -> tuple[ServiceDefinition, ...]:
        """All services, dependencies first, their edges bound.

        Raises:
            GraphError: There were mistakes; all of them are in it.
        """
        self._check_names()
        self.problems.raise_any(self._define(entry).name)
        return tuple(self._bound(self._definitions[cls]) for cls in self._visited)

    def _can_run(self, cls: type) -> bool:
        location = self._define(cls).location
        if not is_service(cls):
            self.problems.add(f"{short_name(cls)} is no service: {NO_SERVICE}", location)
            return False
        if is_abstract(cls):
            missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
            why = f"a method is not implemented: {missing}" if missing else "it is a protocol"
            self.problems.add(f"{short_name(cls)} cannot be run, {why}", location)
            return False
        return True

    def _define(self, cls: type) -> ServiceDefinition:
        definition = self._definitions.get(cls)
        if definition is None:
            definition = self._definitions[cls] = inspect_service(cls, self.problems)
        return definition

    def _visit(self, cls: type) -> None:
        if cls in self._visited:
            return
        definition = self._define(cls)
        self._path.append(cls)
        for edge in definition.dependencies.values():
            target = self._binder.bind(definition, edge)
            if target is None:
                continue
            self._targets[cls, edge.attribute] = target
            if target in self._path:
                self._tell_cycle(target, edge)
            else:
                self._visit(target)
        self._path.pop()
        self._visited[cls] = None

    def _tell_cycle(self, target: type, edge: DependencyDefinition) -> None:
        cycle = self._path[self._path.index(target) :]
        if frozenset(cycle) in self._cycles:
            return
        self._cycles.add(frozenset(cycle))
        names = " -> ".join(self._define(cls).name for cls in (*cycle, target))
        self.problems.add(
            f"services depend on each other in a cycle: {names}; each would wait for the next one to be ready",
            edge.location,
        )

    def _check_names(self) -> None:
        first: dict[str, ServiceDefinition] = {}
        for cls in self._visited:
            definition = self._definitions[cls]
            other = first.setdefault(definition.name, definition)
            if other is definition:
                continue
            if other.location == definition.location:
                told = (
                    f"{short_name(cls)} was imported twice, as {other.inner.__module__!r} and as "
                    f"{cls.__module__!r}; import it by one name, and not from the main program"
                )
            else:
                told = (
                    f"two services are named {definition.name!r}, {short_name(cls)} here and "
                    f"{short_name(other.inner)} at {other.location}; give one another: @service(name=...)"
                )
            self.problems.add(told, definition.location)

    def _bound(self, definition: ServiceDefinition) -> ServiceDefinition:
        edges = {}
        for attribute, edge in definition.dependencies.items():
            target = self._targets.get((definition.inner, attribute))
            name = None if target is None else self._definitions[target].name
            edges[attribute] = attrs.evolve(edge, service_name=name)
        return attrs.evolve(definition, dependencies=edges)
