"""Values as they were written: every scalar keeps its text and where it stands.

A value from a file, from the command line or from Python code becomes a tree of these nodes first.
What it means is decided where it is used: a typed field reads the text, anything else asks for :attr:`Scalar.value`.
"""

from __future__ import annotations

import enum
import math
import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import attrs

from dynamo_core.config.core_schema import CoreValue, resolve
from dynamo_core.errors import Location

DEEPEST_NESTING: Final = 64
"""How many mappings and lists may lie within each other."""

Source = Location | str
"""Where a value was given: a place in a file, or the argument that gave it."""


class Kind(enum.Enum):
    """How a scalar was written, and so what it means where no type is asked for."""

    PLAIN = "y"
    """Without quotes in a YAML file: YAML 1.2's core schema."""
    TEXT = "t"
    """A text for certain."""
    JSON = "j"
    """A JSON number, boolean or null."""


@attrs.frozen
class Scalar:
    """One value that is neither a mapping nor a list.

    Attributes:
        text: As it was written, without quotes.
        kind: How it was written.
        source: Where; None for values from Python code.
    """

    text: str
    kind: Kind
    source: Source | None = attrs.field(default=None, eq=False)

    @property
    def value(self) -> CoreValue:
        """What it means where no type is asked for."""
        return self.text if self.kind is Kind.TEXT else resolve(self.text)

    @property
    def is_null(self) -> bool:
        """Whether it says that there is no value."""
        return self.value is None


@attrs.frozen
class Items:
    """A list.

    Attributes:
        items: In order.
        source: Where it begins.
    """

    items: tuple[Node, ...] = ()
    source: Source | None = attrs.field(default=None, eq=False)


def _read_only(entries: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(entries))


@attrs.frozen(hash=False)
class Table:
    """A mapping; its keys are texts.

    Attributes:
        entries: In the order they were given.
        source: Where it begins.
        key_sources: Where each key stands, as far as it is known.
    """

    entries: Mapping[str, Node] = attrs.field(factory=dict, converter=_read_only)
    source: Source | None = attrs.field(default=None, eq=False)
    key_sources: Mapping[str, Source] = attrs.field(factory=dict, eq=False, converter=_read_only)

    def source_of(self, key: str) -> Source | None:
        """Where *key* stands, or else the whole mapping."""
        return self.key_sources.get(key, self.source)


Node = Scalar | Items | Table

NULL: Final = Scalar("null", Kind.JSON)


class UnsupportedPythonValueError(ValueError):
    """A value of Python code that no configuration can hold."""


def to_node(value: object, *, depth: int = 0) -> Node:
    """The node of a value of Python code; a node is given back as it is.

    Raises:
        UnsupportedPythonValueError: It is something that JSON cannot hold, or too deeply nested.
    """
    if isinstance(value, Scalar | Items | Table):
        return value
    if depth > DEEPEST_NESTING:
        raise UnsupportedPythonValueError(f"must not be nested deeper than {DEEPEST_NESTING} levels")
    if isinstance(value, Mapping):
        wrong = next((key for key in value if not isinstance(key, str)), None)
        if wrong is not None:
            raise UnsupportedPythonValueError(f"must have texts as keys, got {wrong!r}")
        return Table({str(key): to_node(item, depth=depth + 1) for key, item in value.items()})
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        return Items(tuple(to_node(item, depth=depth + 1) for item in value))
    return _to_scalar(value)


def _to_scalar(value: object) -> Scalar:
    match value:
        case None:
            return NULL
        case bool():
            return Scalar("true" if value else "false", Kind.JSON)
        case str():
            return Scalar(str.__str__(value), Kind.TEXT)
        case int():
            return Scalar(int.__repr__(value), Kind.JSON)
        case float():
            return _float_scalar(value)
        case os.PathLike():
            return Scalar(os.fsdecode(value), Kind.TEXT)
        case _:
            raise UnsupportedPythonValueError(
                f"must be a text, a number, a boolean, None, a list or a mapping, got {type(value).__name__}"
            )


def _float_scalar(value: float) -> Scalar:
    if math.isnan(value):
        return Scalar(".nan", Kind.PLAIN)
    if math.isinf(value):
        return Scalar(".inf" if value > 0 else "-.inf", Kind.PLAIN)
    return Scalar(float.__repr__(value), Kind.JSON)


def plain(node: Node) -> Any:  # JSON-like
    """Dicts, lists and scalars without their source."""
    match node:
        case Table():
            return {key: plain(item) for key, item in node.entries.items()}
        case Items():
            return [plain(item) for item in node.items]
        case Scalar():
            return node.value


def show(node: Node) -> str:
    """*node* as a message names it: a scalar by its text, anything larger by what it is."""
    match node:
        case Table():
            return "a mapping"
        case Items():
            return "a list"
        case Scalar(text="", kind=Kind.PLAIN):
            return "nothing"
        case Scalar(text=text):
            shown = repr(text) if node.kind is Kind.TEXT or not text.isprintable() or " " in text else text
            return shown if len(shown) <= 80 else f"{shown[:77]}..."


def merge(below: Node, above: Node) -> Node:
    """Mappings are merged key by key; of everything else, *above* takes the place of *below*."""
    if not (isinstance(below, Table) and isinstance(above, Table)):
        return above
    entries = dict(below.entries)
    for key, item in above.entries.items():
        entries[key] = merge(entries[key], item) if key in entries else item
    return Table(entries, above.source or below.source, {**below.key_sources, **above.key_sources})


def to_data(node: Node) -> list[Any]:
    """*node* as JSON and msgpack can hold it, sources of values included."""
    content: Any
    match node:
        case Table():
            tag, content = "m", {key: to_data(item) for key, item in node.entries.items()}
        case Items():
            tag, content = "l", [to_data(item) for item in node.items]
        case Scalar():
            tag, content = node.kind.value, node.text
    if node.source is None:
        return [tag, content]
    return [tag, content, list(node.source) if isinstance(node.source, Location) else node.source]


def from_data(data: Sequence[Any]) -> Node:
    """The reverse of :func:`to_data`."""
    tag, content = data[0], data[1]
    where = data[2] if len(data) > 2 else None
    source = where if where is None or isinstance(where, str) else Location(*where)
    if tag == "m":
        return Table({key: from_data(item) for key, item in content.items()}, source)
    if tag == "l":
        return Items(tuple(from_data(item) for item in content), source)
    return Scalar(content, Kind(tag), source)
