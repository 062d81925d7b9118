"""Reading one typed value from a node: the text decides, not what YAML or JSON would make of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from dynamo_core.config.core_schema import CoreValue, resolve
from dynamo_core.config.names import NAME_GRAMMAR, is_name
from dynamo_core.config.nodes import Items, Node, Scalar, Table, UnsupportedPythonValueError, show, to_node
from dynamo_core.config.problems import InvalidValueError, ValueProblem, unknown_key

if TYPE_CHECKING:
    from typing import NoReturn

T = TypeVar("T")

Reader = Callable[[Any], T]
"""Takes a node or a value of Python code; raises ``InvalidValueError``."""

_VARIABLE: Final = re.compile(r"[^=\0]+")
_ORIGIN: Final = re.compile(r"\*|[A-Za-z][A-Za-z0-9+.-]*://[^/\s?#]+/?")
_HOST: Final = re.compile(r"\*|(\*\.)?[A-Za-z0-9._~-]+|(?=.*:.*:)\[?[0-9A-Fa-f:.]+\]?")


def as_node(value: object) -> Node:
    """The node of any value.

    Raises:
        InvalidValueError: Configuration cannot hold it.
    """
    try:
        return to_node(value)
    except UnsupportedPythonValueError as exc:
        raise InvalidValueError(ValueProblem(str(exc))) from exc


def core_value(node: Node) -> CoreValue:
    """What a scalar's text means by the core schema, however it was written; None for a mapping or a list."""
    return resolve(node.text) if isinstance(node, Scalar) else None


def refuse(node: Node, wanted: str) -> NoReturn:
    """Say what was wanted and what was found.

    Raises:
        InvalidValueError: Always.
    """
    raise InvalidValueError(ValueProblem(f"must be {wanted}, got {show(node)}", source=node.source))


def boolean(value: object) -> bool:
    """True or false."""
    node = as_node(value)
    found = core_value(node)
    return found if isinstance(found, bool) else refuse(node, "true or false")


def whole_number(*, at_least: int, at_most: int | None = None) -> Reader[int]:
    """A reader of whole numbers within bounds."""
    wanted = f"a whole number of at least {at_least}"
    if at_most is not None:
        wanted = f"a whole number from {at_least} to {at_most}"

    def read(value: object) -> int:
        node = as_node(value)
        found = core_value(node)
        if not isinstance(found, int) or isinstance(found, bool) or found < at_least:
            refuse(node, wanted)
        return found if at_most is None or found <= at_most else refuse(node, wanted)

    return read


def number(*, at_least: float | None = None, above: float | None = None) -> Reader[float]:
    """A reader of finite numbers within bounds."""
    wanted = f"a number of at least {at_least:g}" if at_least is not None else "a number"
    wanted = f"a number above {above:g}" if above is not None else wanted

    def read(value: object) -> float:
        node = as_node(value)
        found = core_value(node)
        if not isinstance(found, int | float) or isinstance(found, bool) or not math.isfinite(found):
            refuse(node, wanted)
        if (at_least is not None and found < at_least) or (above is not None and found <= above):
            refuse(node, wanted)
        return float(found)

    return read


def text(value: object) -> str:
    """A text: what was written, whatever it looks like."""
    node = as_node(value)
    if not isinstance(node, Scalar):
        refuse(node, "a text")
    if node.is_null:
        refuse(node, 'a text ("" is the empty one)')
    return node.text


def fitting_text(is_fitting: Callable[[str], object], wanted: str) -> Reader[str]:
    """A reader of texts that pass a check."""

    def read(value: object) -> str:
        found = text(value)
        return found if is_fitting(found) else refuse(as_node(value), wanted)

    return read


def one_of(*choices: str) -> Reader[Any]:  # of the Literal that the field has
    """A reader of one of a few words."""
    return fitting_text(choices.__contains__, f"one of {', '.join(choices)}")


name: Final = fitting_text(is_name, f"a name ({NAME_GRAMMAR})")
variable: Final = fitting_text(_VARIABLE.fullmatch, "the name of an environment variable")
origin: Final = fitting_text(_ORIGIN.fullmatch, "an origin such as https://app.example.com, or *")
host: Final = fitting_text(_HOST.fullmatch, "a host name without scheme and port")
filled_text: Final = fitting_text(len, "a text that is not empty")


def optional(read: Reader[T]) -> Reader[T | None]:
    """A reader that takes null for "none"."""

    def read_optional(value: object) -> T | None:
        if value is None or (isinstance(value, Scalar) and value.is_null):
            return None
        return read(value)

    return read_optional


def tuple_of(read: Reader[T], wanted: str) -> Reader[tuple[T, ...]]:
    """A reader of lists; every wrong item is told at once."""

    def read_items(value: object) -> tuple[T, ...]:
        node = as_node(value)
        if not isinstance(node, Items):
            refuse(node, wanted)
        found: list[T] = []
        problems: list[ValueProblem] = []
        for number_, item in enumerate(node.items):
            try:
                found.append(read(item))
            except InvalidValueError as exc:
                problems += exc.below(f"[{number_}]").problems
        if problems:
            raise InvalidValueError(*problems)
        return tuple(found)

    return read_items


def text_map(read_key: Reader[str] = filled_text) -> Reader[Mapping[str, str]]:
    """A reader of mappings from text to text."""

    def read(value: object) -> Mapping[str, str]:
        node = as_node(value)
        if not isinstance(node, Table):
            refuse(node, "a mapping of names to texts")
        found: dict[str, str] = {}
        problems: list[ValueProblem] = []
        for key, item in node.entries.items():
            try:
                read_key(key)
                found[key] = text(item)
            except InvalidValueError as exc:
                source = node.source_of(key)
                problems += [
                    ValueProblem(p.message, (key, *p.path), p.source or source) for p in exc.problems
                ]
        if problems:
            raise InvalidValueError(*problems)
        return MappingProxyType(found)

    return read


def variables(value: object) -> Mapping[str, str]:
    """Environment variables, as a mapping or as a list of ``{"name": ..., "value": ...}``."""
    return text_map(variable)(table_of_variables(as_node(value)))


def table_of_variables(node: Node) -> Node:
    """A list of ``{"name": ..., "value": ...}`` as the mapping it stands for; anything else as it is.

    Raises:
        InvalidValueError: An item of the list is something else, or a name comes twice.
    """
    if not isinstance(node, Items):
        return node
    entries: dict[str, Node] = {}
    problems: list[ValueProblem] = []
    for number_, item in enumerate(node.items):
        key = item.entries.get("name") if isinstance(item, Table) else None
        if not isinstance(item, Table) or not isinstance(key, Scalar) or "value" not in item.entries:
            wanted = f"must be a mapping with 'name' and 'value', got {show(item)}"
            problems.append(ValueProblem(wanted, (f"[{number_}]",), item.source))
        elif key.text in entries:
            problems.append(ValueProblem(f"names {key.text!r} again", (f"[{number_}]",), item.source))
        else:
            entries[key.text] = item.entries["value"]
            problems += [
                unknown_key(extra, ("name", "value"), item.source_of(extra)).below(f"[{number_}]")
                for extra in item.entries
                if extra not in {"name", "value"}
            ]
    if problems:
        raise InvalidValueError(*problems)
    return Table(entries, node.source)


def patterns_or_boolean(value: object) -> bool | tuple[str, ...]:
    """True, false, or a list of patterns of names."""
    node = as_node(value)
    wanted = "true, false or a list of patterns of names"
    if isinstance(node, Scalar):
        found = core_value(node)
        return found if isinstance(found, bool) else refuse(node, wanted)
    return tuple_of(filled_text, wanted)(node)
