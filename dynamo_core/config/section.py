"""One service's section of a configuration: which of its keys are for the runner, and which are its own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from dynamo_core.config import readers
from dynamo_core.config.nodes import Node, Scalar, Table, merge
from dynamo_core.config.problems import InvalidValueError, ValueProblem, suggest

SERVICE_ARGS: Final = "ServiceArgs"
"""Key of what the runner reads: the fields of ``ServiceConfig``, and ``bind``."""
COMMON: Final = "Common"
"""Name of the section whose keys services may take."""
COMMON_KEYS: Final = "common-configs"
"""Key of the list of what a service takes from ``Common``."""
BIND: Final = "bind"
"""Key, within ``ServiceArgs``, of the services that abstract dependencies are bound to, by attribute."""

_FOLDED: Final = {"serviceargs": SERVICE_ARGS, "commonconfigs": COMMON_KEYS}

_EMPTY: Final = Table()


@attrs.frozen(kw_only=True)
class ServiceSection:
    """What one section says.

    Attributes:
        args: What the runner reads, without the bindings.
        bindings: Name of a service by attribute of this one.
        settings: The service's own settings; first those it takes from ``Common``, then its own.
        bind_table: The bindings as they were written.
        problems: Its mistakes, below the service's name.
    """

    args: Table = _EMPTY
    bindings: Mapping[str, str] = MappingProxyType({})
    settings: Table = _EMPTY
    bind_table: Table = _EMPTY
    problems: tuple[ValueProblem, ...] = ()


def read_section(node: Node, common: Table) -> ServiceSection:
    """Sort out one section; its mistakes are among what is returned.

    Args:
        node: The section; null is an empty one.
        common: The section ``Common``.
    """
    problems: list[ValueProblem] = []
    section = _as_table(node, problems)
    args = _as_table(section.entries.get(SERVICE_ARGS, Table()), problems, SERVICE_ARGS)
    bind = _as_table(args.entries.get(BIND, Table()), problems, SERVICE_ARGS, BIND)
    bindings: Mapping[str, str] = {}
    try:
        bindings = readers.text_map(readers.filled_text)(bind)
    except InvalidValueError as exc:
        problems += exc.below(SERVICE_ARGS, BIND).problems
    own = _without(section, SERVICE_ARGS, COMMON_KEYS)
    for key in own.entries:
        meant = _FOLDED.get(key.replace("-", "").replace("_", "").casefold())
        if meant is not None:
            message = f"has the key {key!r}, which must be written {meant!r}"
            problems.append(ValueProblem(message, source=section.source_of(key)))
    taken = _take_common(section.entries.get(COMMON_KEYS), common, problems)
    return ServiceSection(
        args=_without(args, BIND),
        bindings=bindings,
        settings=Table(
            {**{key: item for key, item in taken.entries.items() if key not in own.entries}, **own.entries},
            section.source,
            {**taken.key_sources, **own.key_sources},
        ),
        bind_table=bind,
        problems=tuple(problems),
    )


def normalise(sections: Table) -> Table:
    """The same sections with every list of environment variables as a mapping, so that sources can be merged."""
    entries = dict(sections.entries)
    for name, section in entries.items():
        args = section.entries.get(SERVICE_ARGS) if isinstance(section, Table) else None
        envs = args.entries.get("envs") if isinstance(args, Table) else None
        if envs is None:
            continue
        try:
            table = readers.table_of_variables(envs)
        except InvalidValueError:
            continue  # told when the section is read
        entries[name] = merge(section, Table({SERVICE_ARGS: Table({"envs": table})}))
    return attrs.evolve(sections, entries=entries)


def read_common(node: Node | None) -> tuple[Table, tuple[ValueProblem, ...]]:
    """The section ``Common``, and its mistakes, below its name."""
    problems: list[ValueProblem] = []
    common = Table() if node is None else _as_table(node, problems)
    problems += [
        ValueProblem(f"is no service and has no {key}; give it to each service", source=common.source_of(key))
        for key in (SERVICE_ARGS, COMMON_KEYS)
        if key in common.entries
    ]
    return common, tuple(problems)


def _as_table(node: Node, problems: list[ValueProblem], *path: str) -> Table:
    if isinstance(node, Table):
        return node
    if not (isinstance(node, Scalar) and node.is_null):
        try:
            readers.refuse(node, "a mapping")
        except InvalidValueError as exc:
            problems += exc.below(*path).problems
    return Table()


def _without(table: Table, *keys: str) -> Table:
    return attrs.evolve(table, entries={key: item for key, item in table.entries.items() if key not in keys})


def _take_common(node: Node | None, common: Table, problems: list[ValueProblem]) -> Table:
    if node is None:
        return Table()
    try:
        keys = readers.tuple_of(_key, f"a list of keys of {COMMON}")(node)
    except InvalidValueError as exc:
        problems += exc.below(COMMON_KEYS).problems
        return Table()
    entries: dict[str, Node] = {}
    for key in keys:
        if key.text in common.entries:
            entries[key.text] = common.entries[key.text]
            continue
        hint = suggest(key.text, common.entries)
        message = f"names {key.text!r}, which {COMMON} does not have{hint}"
        problems.append(ValueProblem(message, (COMMON_KEYS,), key.source))
    return Table(entries, common.source, common.key_sources)


def _key(value: object) -> Scalar:
    node = readers.as_node(value)
    return node if isinstance(node, Scalar) and not node.is_null else readers.refuse(node, "a text")
