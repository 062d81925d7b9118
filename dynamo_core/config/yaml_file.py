"""Reading a YAML file into nodes that know their line.

PyYAML's parser gives the events; what a scalar means is not its business here, so none of its constructors runs.
Mistakes that leave the rest readable (a key given twice, a tag) are told together; a syntax error ends the reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

import yaml
from yaml import events

from dynamo_core.config.nodes import DEEPEST_NESTING, NULL, Items, Kind, Node, Scalar, Table, show
from dynamo_core.errors import ConfigError, Location, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynamo_core.config.nodes import Source

LARGEST_FILE_BYTES: Final = 16 * 1024 * 1024
MOST_NODES: Final = 100_000
"""How many values a file may stand for, aliases counted as what they repeat."""

_TEXT_TAGS: Final = frozenset({"!", "tag:yaml.org,2002:str"})
_COLLECTION_TAGS: Final = frozenset({"!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_MERGE_KEY: Final = "<<"


def read_yaml_file(path: str, *, what: str) -> Table:
    """The file's mapping; an empty file is an empty one.

    Args:
        path: The file.
        what: How messages name it where no line is to blame: its path, and what named it.

    Raises:
        ConfigError: It cannot be read, is no YAML, or holds something else than one mapping; located by line.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # as lines are named: by the path that was given
            content = file.read(LARGEST_FILE_BYTES + 1)
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{what} cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc
    if len(content) > LARGEST_FILE_BYTES:
        raise ConfigError(f"{what} is larger than {LARGEST_FILE_BYTES} bytes")
    return parse_yaml(_decode(content, path), path)


def parse_yaml(text: str, file: str) -> Table:
    """The mapping that *text* holds; messages name *file*.

    Raises:
        ConfigError: It is no YAML, or holds something else than one mapping; located by line.
    """
    reading = _Reading(file)
    try:
        node = reading.read(_events_of(text))
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        problem = Problem(
            f"no YAML: the character U+{exc.character:04X} is not allowed", Location(file, line)
        )
        raise ConfigError(*reading.problems, problem) from exc
    except yaml.MarkedYAMLError as exc:
        raise ConfigError(*reading.problems, reading.syntax_problem(exc)) from exc
    if reading.problems:
        raise ConfigError(*reading.problems)
    return node


def _decode(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise ConfigError(Problem("no YAML: the file is not UTF-8", Location(file, line))) from exc


def _events_of(text: str) -> Iterator[events.Event]:
    return iter(yaml.parse(text, Loader=yaml.SafeLoader))


class _Built(NamedTuple):
    """A node, the number of nodes in it, and how many mappings and lists lie within each other."""

    node: Node
    size: int = 1
    height: int = 0


class _StoppedError(Exception):
    """The rest of the file is not read; the reason is among the problems."""


class _Reading:
    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._anchors: dict[str, _Built | None] = {}
        self._nodes = 0
        self._has_document = False
        self._source: Iterator[events.Event] = iter(())

    def read(self, source: Iterator[events.Event]) -> Table:
        self._source = source
        found: Node = NULL
        try:
            for event in source:
                if isinstance(event, events.DocumentStartEvent):
                    found = self._read_document(event)
        except _StoppedError:
            return Table()
        if isinstance(found, Table):
            return found
        if not (isinstance(found, Scalar) and found.is_null):
            where = found.source if isinstance(found.source, Location) else None
            message = f"the file must hold a mapping with one key per service, got {show(found)}"
            self.problems.append(Problem(message, where))
        return Table()

    def _read_document(self, start: events.Event) -> Node:
        if self._has_document:
            self._stop("the file must hold one document, another one begins here", start)
        self._has_document = True
        return self._build(next(self._source), depth=0).node

    def syntax_problem(self, error: yaml.MarkedYAMLError) -> Problem:
        mark = error.problem_mark or error.context_mark
        message = error.problem or error.context or str(error)
        if "'\\t'" in message:
            message = "a tab cannot indent; use spaces"
        elif error.context and error.context_mark and mark and error.context_mark.line != mark.line:
            message = f"{message} ({error.context} that begins in line {error.context_mark.line + 1})"
        location = None if mark is None else Location(self._file, mark.line + 1)
        return Problem(f"no YAML: {message}", location)

    def _build(self, event: events.Event, *, depth: int) -> _Built:
        if isinstance(event, events.AliasEvent):
            return self._repeat(event, depth)
        self._count(1, event)
        if depth > DEEPEST_NESTING:
            self._stop(f"nested deeper than {DEEPEST_NESTING} levels", event)
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = None
        match event:
            case events.ScalarEvent():
                built = _Built(self._scalar(event))
            case events.SequenceStartEvent():
                built = self._sequence(event, depth)
            case _:
                assert isinstance(event, events.MappingStartEvent)
                built = self._mapping(event, depth)
        if anchor is not None:
            self._anchors[anchor] = built
        return built

    def _repeat(self, event: events.AliasEvent, depth: int) -> _Built:
        if event.anchor not in self._anchors:
            self._stop(f"nothing before it is called &{event.anchor}", event)
        built = self._anchors[event.anchor]
        if built is None:
            self._stop(f"*{event.anchor} stands inside of what it repeats", event)
        self._count(built.size, event)
        if depth + built.height > DEEPEST_NESTING:
            self._stop(f"nested deeper than {DEEPEST_NESTING} levels", event)
        return built

    def _scalar(self, event: events.ScalarEvent) -> Scalar:
        is_plain = event.style is None and event.tag is None
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            self._refuse_tag(event.tag, event)
        return Scalar(event.value, Kind.PLAIN if is_plain else Kind.TEXT, self._location(event))

    def _sequence(self, start: events.SequenceStartEvent, depth: int) -> _Built:
        self._check_collection(start)
        items: list[_Built] = []
        while not isinstance(event := next(self._source), events.SequenceEndEvent):
            items.append(self._build(event, depth=depth + 1))
        node = Items(tuple(built.node for built in items), self._location(start))
        return _Built(node, *_measure(items))

    def _mapping(self, start: events.MappingStartEvent, depth: int) -> _Built:
        self._check_collection(start)
        entries: dict[str, _Built] = {}
        sources: dict[str, Location] = {}
        merged: list[_Built] = []
        while not isinstance(event := next(self._source), events.MappingEndEvent):
            key = self._build(event, depth=depth + 1).node
            value = self._build(next(self._source), depth=depth + 1)
            where = self._location(event)
            if not isinstance(key, Scalar) or (key.is_null and key.text == ""):
                self.problems.append(Problem(f"a key must be a text, got {show(key)}", where))
            elif key.text == _MERGE_KEY and key.kind is Kind.PLAIN:
                merged += self._merged(value, where)
            elif key.text in entries:
                first = sources[key.text].line
                self.problems.append(
                    Problem(f"the key {key.text!r} is given again, first in line {first}", where)
                )
            else:
                entries[key.text] = value
                sources[key.text] = where
        below = _below(merged)
        own = {key: built.node for key, built in entries.items()}
        node = Table({**below.entries, **own}, self._location(start), {**below.key_sources, **sources})
        return _Built(node, *_measure([*entries.values(), *merged]))

    def _merged(self, value: _Built, where: Location) -> list[_Built]:
        found = value.node.items if isinstance(value.node, Items) else (value.node,)
        if not all(isinstance(node, Table) for node in found):
            self.problems.append(Problem("'<<' must be a mapping or a list of mappings", where))
            return []
        return [value._replace(node=node) for node in found]

    def _check_collection(self, event: events.CollectionStartEvent) -> None:
        if event.tag is not None and event.tag not in _COLLECTION_TAGS:
            self._refuse_tag(event.tag, event)

    def _refuse_tag(self, tag: str, event: events.Event) -> None:
        shown = tag.replace("tag:yaml.org,2002:", "!!")
        message = f"the tag {shown} is not supported; only !!str is, which makes a text of any scalar"
        self.problems.append(Problem(message, self._location(event)))

    def _count(self, nodes: int, event: events.Event) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            self._stop(f"the file stands for more than {MOST_NODES} values, aliases included", event)

    def _location(self, event: events.Event) -> Location:
        mark = event.start_mark
        return Location(self._file, 0 if mark is None else mark.line + 1)

    def _stop(self, message: str, event: events.Event) -> NoReturn:
        self.problems.append(Problem(message, self._location(event)))
        raise _StoppedError


def _measure(parts: list[_Built]) -> tuple[int, int]:
    return 1 + sum(built.size for built in parts), 1 + max((built.height for built in parts), default=0)


def _below(merged: list[_Built]) -> Table:
    """What ``<<`` brings into a mapping; the first of several comes before the others."""
    entries: dict[str, Node] = {}
    sources: dict[str, Source] = {}
    for built in reversed(merged):
        assert isinstance(built.node, Table)
        entries |= built.node.entries
        sources |= built.node.key_sources
    return Table(entries, key_sources=sources)
