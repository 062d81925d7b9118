"""The configuration of a whole graph: what a file and the command line say, laid over the decorators."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import attrs

from dynamo_core.config.nodes import Node, Table, merge
from dynamo_core.config.problems import InvalidValueError, ValueProblem, suggest, unknown_key
from dynamo_core.config.record import options_of, overlay, place_of
from dynamo_core.config.section import (
    BIND,
    COMMON,
    SERVICE_ARGS,
    ServiceSection,
    normalise,
    read_common,
    read_section,
)
from dynamo_core.config.service import ServiceConfig
from dynamo_core.config.settings import Settings, join_settings
from dynamo_core.errors import Location

if TYPE_CHECKING:
    from dynamo_core.definition import ServiceDefinition
    from dynamo_core.graph import ServiceGraph

_ARGS: Final = (*(name for name in options_of(ServiceConfig) if name != "settings"), BIND)

_EMPTY: Final = Table()


@attrs.frozen(kw_only=True, eq=False)
class GraphSettings:
    """What a file and the command line say about a graph's services.

    Attributes:
        sections: One entry per service, and ``Common``; shaped like the file, the command line's values in it.
        note: What named the file, for messages; empty where the command line did.
    """

    sections: Table = _EMPTY
    note: str = ""

    @classmethod
    def of(cls, *sources: Table, note: str = "") -> GraphSettings:
        """Join sources, the lowest first."""
        joined: Node = Table()
        for source in sources:
            joined = merge(joined, normalise(source))
        assert isinstance(joined, Table)
        return cls(sections=joined, note=note)

    def bindings(self) -> Mapping[tuple[str, str], str]:
        """The service that each abstract dependency is bound to, by owner and attribute.

        Raises:
            ConfigError: A binding is no name.
        """
        found: dict[tuple[str, str], str] = {}
        problems: list[ValueProblem] = []
        for owner, section in self._services().items():
            found.update({(owner, attribute): name for attribute, name in section.bindings.items()})
            problems += [problem for problem in section.problems if problem.path[1:3] == (SERVICE_ARGS, BIND)]
        self._raise(problems)
        return MappingProxyType(found)

    def apply(self, graph: ServiceGraph) -> ServiceGraph:
        """The same graph, whose services have what is said here laid over what their decorators say.

        Mappings are joined key by key; anything else that is given takes the place of what was there.

        Raises:
            ConfigError: A service or a key does not exist, or a value is wrong; all mistakes are told at once.
        """
        problems = [problem.below(COMMON) for problem in read_common(self.sections.entries.get(COMMON))[1]]
        sections = self._services()
        known = {definition.name: definition for definition in graph.services}
        if COMMON in known and COMMON in self.sections.entries:
            message = "is a section that services share, and the name of a service too; rename the service"
            problems.append(ValueProblem(message, (COMMON,), self.sections.source_of(COMMON)))
        configs: dict[str, ServiceConfig] = {}
        for name, section in sections.items():
            definition = known.get(name)
            if definition is None:
                problems.append(self._unknown_service(graph.name, name, list(known)))
                continue
            problems += section.problems
            try:
                configs[name] = _configure(definition, section)
            except InvalidValueError as exc:
                problems += exc.below(name).problems
        self._raise(problems)
        return graph.with_configs(configs) if configs else graph

    def _services(self) -> dict[str, ServiceSection]:
        common, _ = read_common(self.sections.entries.get(COMMON))
        found: dict[str, ServiceSection] = {}
        for name, node in self.sections.entries.items():
            if name != COMMON:
                section = read_section(node, common)
                problems = tuple(problem.below(name) for problem in section.problems)
                found[name] = attrs.evolve(section, problems=problems)
        return found

    def _unknown_service(self, graph: str, name: str, known: list[str]) -> ValueProblem:
        message = f"is no service of graph {graph!r}{suggest(name, known)} (services: {', '.join(known)})"
        return ValueProblem(message, (name,), self.sections.source_of(name))

    def _raise(self, problems: list[ValueProblem]) -> None:
        if problems:
            raise InvalidValueError(*sorted(problems, key=_place)).as_config_error(note=self.note)


def _configure(definition: ServiceDefinition, section: ServiceSection) -> ServiceConfig:
    """What *section* says, laid over what the decorator says; mistakes are below the service's name."""
    args = section.args
    problems = [
        _misplaced(args) if key == "settings" else _unknown_argument(key, args)
        for key in args.entries
        if key not in _ARGS
    ]
    problems += [
        _unknown_attribute(attribute, definition, section).below(BIND)
        for attribute in section.bindings
        if attribute not in definition.dependencies
    ]
    config = definition.config
    known = {key: item for key, item in args.entries.items() if key in _ARGS}
    try:
        config = overlay(config, attrs.evolve(args, entries=known))
    except InvalidValueError as exc:
        problems += exc.problems
    if problems:
        raise InvalidValueError(*problems).below(SERVICE_ARGS)
    return attrs.evolve(config, settings=join_settings(config.settings, Settings(section.settings)))


def _unknown_attribute(
    attribute: str, definition: ServiceDefinition, section: ServiceSection
) -> ValueProblem:
    known = definition.dependencies
    message = (
        f"names {attribute!r}, which is no dependency of {definition.name}{suggest(attribute, known)} "
        f"(dependencies: {', '.join(known) or 'none'})"
    )
    return ValueProblem(message, source=section.bind_table.source_of(attribute))


def _unknown_argument(key: str, args: Table) -> ValueProblem:
    return unknown_key(key, _ARGS, args.source_of(key), place=place_of(ServiceConfig, key))


def _misplaced(args: Table) -> ValueProblem:
    message = f"has no key 'settings'; a service's own settings stand beside {SERVICE_ARGS}, not in it"
    return ValueProblem(message, source=args.source_of("settings"))


def _place(problem: ValueProblem) -> tuple[bool, str, int]:
    """Order of messages: by line, then those that have none."""
    if isinstance(problem.source, Location):
        return False, problem.source.file, problem.source.line
    return True, "", 0
