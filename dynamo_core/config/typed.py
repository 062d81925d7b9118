"""Reading settings as the type a service asks for, from what was written."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import types
import typing
from collections import abc
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from dynamo_core.config import readers
from dynamo_core.config.nodes import Node, Scalar, Table, plain, show
from dynamo_core.config.problems import InvalidValueError, ValueProblem, unknown_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dynamo_core.config.nodes import Source
    from dynamo_core.config.readers import Reader


def _whole(value: object) -> int:
    node = readers.as_node(value)
    found = readers.core_value(node)
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    return readers.refuse(node, "a whole number")


def _number(value: object) -> float:
    node = readers.as_node(value)
    found = readers.core_value(node)
    if isinstance(found, int | float) and not isinstance(found, bool):
        return float(found)
    return readers.refuse(node, "a number")


def _nothing(value: object) -> None:
    node = readers.as_node(value)
    return None if isinstance(node, Scalar) and node.is_null else readers.refuse(node, "null")


_SCALARS: Final[Mapping[Any, Reader[Any]]] = {
    Any: lambda value: plain(readers.as_node(value)),
    object: lambda value: plain(readers.as_node(value)),
    str: readers.text,
    int: _whole,
    float: _number,
    bool: readers.boolean,
    Path: lambda value: Path(readers.text(value)),
    None: _nothing,
    types.NoneType: _nothing,
}
_LISTS: Final[Mapping[Any, Callable[[Any], Any]]] = {
    list: list,
    abc.Sequence: list,
    set: set,
    frozenset: frozenset,
}


def reader_of(annotation: Any) -> Reader[Any]:
    """A reader for one annotation.

    Raises:
        TypeError: Settings cannot be read as that.
    """
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    found = _generic_reader(annotation)
    if found is None and isinstance(annotation, type):
        found = _class_reader(annotation)
    if found is None:
        raise TypeError(
            f"settings cannot be read as {annotation!r}; to_plain() gives them as dicts and lists"
        )
    return found


def _generic_reader(annotation: Any) -> Reader[Any] | None:
    origin = typing.get_origin(annotation) or annotation
    arguments = typing.get_args(annotation)
    found: Reader[Any] | None = None
    if origin is typing.Annotated:
        found = reader_of(arguments[0])
    elif origin is Literal:
        found = _choice_reader([(choice, choice) for choice in arguments])
    elif origin in {typing.Union, types.UnionType}:
        found = _union_reader(arguments)
    elif origin in _LISTS:
        found = _list_reader(_LISTS[origin], arguments[0] if arguments else Any)
    elif origin is tuple:
        found = _tuple_reader(arguments)
    elif origin in {dict, abc.Mapping}:
        found = _mapping_reader(*(arguments or (str, Any)))
    return found


def _list_reader(make: Callable[[Any], Any], item: Any) -> Reader[Any]:
    read = readers.tuple_of(reader_of(item), "a list")
    return lambda value: make(read(value))


def _choice_reader(choices: Sequence[tuple[Any, Any]]) -> Reader[Any]:
    """Choices by the value that is written for them; a number may be written in any of its forms."""
    known = {str(written): found for written, found in choices}

    def read(value: object) -> Any:
        node = readers.as_node(value)
        if isinstance(node, Scalar):
            if node.text in known:
                return known[node.text]
            meant = node.value
            for written, found in choices:
                if type(meant) is type(written) and meant == written:
                    return found
        return readers.refuse(node, f"one of {', '.join(known)}")

    return read


def _union_reader(members: tuple[Any, ...]) -> Reader[Any]:
    """The first member that fits; null is None wherever that is a member."""
    none_types = {None, types.NoneType}
    reads = [reader_of(member) for member in members if member not in none_types]
    takes_null = len(reads) < len(members)

    def read(value: object) -> Any:
        node = readers.as_node(value)
        if takes_null and isinstance(node, Scalar) and node.is_null:
            return None
        problems: list[ValueProblem] = []
        for each in reads:
            try:
                return each(node)
            except InvalidValueError as exc:
                problems += exc.problems
        if len(reads) == 1 or any(problem.path for problem in problems):
            raise InvalidValueError(*problems)
        found = f", got {show(node)}"
        wanted = [problem.message.removeprefix("must be ").removesuffix(found) for problem in problems]
        return readers.refuse(node, " or ".join(wanted))

    return read


def _tuple_reader(arguments: tuple[Any, ...]) -> Reader[tuple[Any, ...]]:
    if not arguments or arguments[1:] == (...,):
        return readers.tuple_of(reader_of(arguments[0] if arguments else Any), "a list")
    reads = [reader_of(argument) for argument in arguments if argument != ()]
    nodes_of = readers.tuple_of(readers.as_node, "a list")

    def read(value: object) -> tuple[Any, ...]:
        items = nodes_of(value)
        if len(items) != len(reads):
            readers.refuse(readers.as_node(value), f"a list of {len(reads)}")
        return tuple(_read_all({f"[{i}]": (each, items[i], None) for i, each in enumerate(reads)}))

    return read


def _mapping_reader(key_type: Any, value_type: Any) -> Reader[dict[Any, Any]]:
    read_key, read_value = reader_of(key_type), reader_of(value_type)

    def read(value: object) -> dict[Any, Any]:
        node = readers.as_node(value)
        if not isinstance(node, Table):
            readers.refuse(node, "a mapping")
        keys = _read_all({key: (read_key, key, node.source_of(key)) for key in node.entries})
        found = _read_all({key: (read_value, item, None) for key, item in node.entries.items()})
        return dict(zip(keys, found, strict=True))

    return read


def _class_reader(annotation: type) -> Reader[Any] | None:
    if issubclass(annotation, enum.Enum):
        return _choice_reader([(member.value, member) for member in annotation])
    if dataclasses.is_dataclass(annotation):
        names = {field.name: field.name for field in dataclasses.fields(annotation) if field.init}
    elif attrs.has(annotation):
        names = {field.alias or field.name: field.name for field in attrs.fields(annotation) if field.init}
    else:
        return None
    hints = typing.get_type_hints(annotation, include_extras=True)
    parameters = inspect.signature(annotation).parameters
    required = [name for name in names if parameters[name].default is inspect.Parameter.empty]
    reads = {name: reader_of(hints[attribute]) for name, attribute in names.items()}

    def read(value: object) -> Any:
        node = readers.as_node(value)
        if not isinstance(node, Table):
            readers.refuse(node, "a mapping")
        problems = [unknown_key(key, reads, node.source_of(key)) for key in node.entries if key not in reads]
        missing = [name for name in required if name not in node.entries]
        problems += [ValueProblem(f"lacks {name!r}", source=node.source) for name in missing]
        if problems:
            raise InvalidValueError(*problems)
        entries = node.entries
        values = _read_all({key: (reads[key], entries[key], None) for key in entries})
        try:
            return annotation(**dict(zip(entries, values, strict=True)))
        except (TypeError, ValueError) as exc:
            message = exc.args[0] if exc.args else exc  # attrs adds the field and the value to its own
            raise InvalidValueError(ValueProblem(f"is refused: {message}", source=node.source)) from exc

    return read


def _read_all(parts: Mapping[str, tuple[Reader[Any], Node | str, Source | None]]) -> list[Any]:
    """Read each part, its reader beside it, and tell every mistake at once."""
    found: list[Any] = []
    problems: list[ValueProblem] = []
    for key, (read, item, source) in parts.items():
        try:
            found.append(read(item))
        except InvalidValueError as exc:
            problems += [
                problem if problem.source is not None else attrs.evolve(problem, source=source)
                for problem in exc.below(key).problems
            ]
    if problems:
        raise InvalidValueError(*problems)
    return found
