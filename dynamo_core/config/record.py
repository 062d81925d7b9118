"""What the configuration classes share: how they are built, overlaid, and turned into data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from dynamo_core.config.nodes import Scalar, Table
from dynamo_core.config.problems import InvalidValueError, ValueProblem, unknown_key
from dynamo_core.config.readers import Reader, as_node, refuse

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")
R = TypeVar("R", bound="ConfigRecord")

_OPTION: Final = "dynamo_core.config"


def replace(below: Any, above: Any) -> Any:  # of one field's type
    """The merge of everything that has no keys."""
    del below
    return above


def union(below: Mapping[str, str], above: Mapping[str, str]) -> Mapping[str, str]:
    """The merge of mappings of texts."""
    return MappingProxyType({**below, **above})


@attrs.frozen(kw_only=True)
class Option:
    """How one field of a configuration class is read.

    Attributes:
        read: Makes the field's value from a node or a value of Python code.
        merge: Joins the value of a lower source with that of a higher one.
        record: The class of a nested record; None for other fields.
        decode: Makes the field's value from data; None where *read* does.
    """

    read: Reader[Any]
    merge: Callable[[Any, Any], Any] = replace
    record: type[ConfigRecord] | None = None
    decode: Callable[[Any], Any] | None = None


def read_by(
    read: Reader[T],
    *,
    merge: Callable[[T, T], T] = replace,
    decode: Callable[[Any], T] | None = None,
) -> dict[str, Option]:
    """Metadata of a field that holds a value; see :class:`Option`."""
    return {_OPTION: Option(read=read, merge=merge, decode=decode)}


def read_as(record: type[ConfigRecord]) -> dict[str, Option]:
    """Metadata of a field that holds another configuration class."""
    return {_OPTION: Option(read=lambda value: read_record(record, value), record=record)}


@attrs.frozen(kw_only=True, init=False)
class ConfigRecord:
    """Root of the configuration classes.

    ``X({"port": 1})`` and ``X(port=1)`` are the same; both convert and check every value and tell all mistakes at
    once.

    Args:
        values: Values by field.
        **fields: The same, one by one.

    Raises:
        ConfigError: A key is unknown or given twice, or a value is wrong.
    """

    def __init__(self, values: Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        try:
            given = read_values(type(self), values, fields)
        except InvalidValueError as exc:
            raise _named(exc, type(self)).as_config_error() from exc
        self.__attrs_init__(**given)

    @classmethod
    def problems_between(cls, values: Mapping[str, Any]) -> list[ValueProblem]:
        """Mistakes that lie in two fields together, each below one of them; *values* has every field."""
        del values
        return []

    def to_data(self) -> dict[str, Any]:
        """All fields as JSON and msgpack can hold them; :meth:`from_data` gives an equal record."""
        return {field.name: _to_data(getattr(self, field.name)) for field in attrs.fields(type(self))}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`to_data`.

        Raises:
            ConfigError: *data* does not come from it.
        """
        values = dict(data)
        for key, reading in options_of(cls).items():
            if key in values and reading.record is not None:
                values[key] = reading.record.from_data(values[key])
            elif key in values and reading.decode is not None:
                values[key] = reading.decode(values[key])
        return cls(values)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_data, (self.to_data(),)


def options_of(record: type[ConfigRecord]) -> dict[str, Option]:
    """How each field of *record* is read."""
    return {field.name: field.metadata[_OPTION] for field in attrs.fields(record)}


def place_of(record: type[ConfigRecord], key: str) -> str | None:
    """Where *key* stands if it is a field of a nested record: ``http.port``."""
    for name, reading in options_of(record).items():
        if reading.record is not None and key in options_of(reading.record):
            return f"{name}.{key}"
    return None


def read_values(
    record: type[ConfigRecord], values: Mapping[str, Any] | None, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """What a record's ``__init__`` was given, converted.

    Raises:
        InvalidValueError: A key is unknown or given twice, or a value is wrong.
    """
    if values is not None and not isinstance(values, Mapping):
        refuse(as_node(values), "a mapping")
    given = {**(values or {}), **fields}
    twice = [ValueProblem("is given twice", (key,)) for key in fields if values and key in values]
    found, problems = _read_given(record, given)
    complete = {name: found.get(name, default) for name, default in _defaults(record).items()}
    problems = [*twice, *problems] or record.problems_between(complete)
    if problems:
        raise InvalidValueError(*problems)
    return found


def read_record(record: type[R], value: object) -> R:
    """A nested record: an instance as it is, or made of a mapping; nothing at all gives its defaults.

    Raises:
        InvalidValueError: It is neither, or a value in it is wrong.
    """
    return value if isinstance(value, record) else overlay(record(), as_node(value))


def overlay(below: R, above: object) -> R:
    """*below* with everything that *above* gives; nested records and mappings are joined key by key.

    Args:
        below: What lower sources say.
        above: A node: a mapping, or null for an empty one.

    Raises:
        InvalidValueError: A key is unknown, or a value is wrong.
    """
    record = type(below)
    node = as_node(above)
    if isinstance(node, Scalar) and node.is_null:
        return below
    if not isinstance(node, Table):
        refuse(node, "a mapping")
    found, problems = _read_given(record, node.entries, below=below, table=node)
    complete = {name: found.get(name, getattr(below, name)) for name in options_of(record)}
    if not problems:
        between = record.problems_between(complete)
        problems = [attrs.evolve(problem, source=node.source_of(problem.path[0])) for problem in between]
    if problems:
        raise InvalidValueError(*problems)
    return record(complete)


def _read_given(
    record: type[ConfigRecord],
    given: Mapping[str, Any],
    *,
    below: ConfigRecord | None = None,
    table: Table | None = None,
) -> tuple[dict[str, Any], list[ValueProblem]]:
    options = options_of(record)
    found: dict[str, Any] = {}
    problems: list[ValueProblem] = []
    for key, value in given.items():
        source = None if table is None else table.source_of(key)
        reading = options.get(key)
        if reading is None:
            problems.append(unknown_key(str(key), options, source, place=place_of(record, key)))
            continue
        try:
            if below is not None and reading.record is not None and not isinstance(value, reading.record):
                found[key] = overlay(getattr(below, key), value)
            else:
                read = reading.read(value)
                found[key] = read if below is None else reading.merge(getattr(below, key), read)
        except InvalidValueError as exc:
            problems += [
                problem if problem.source is not None else attrs.evolve(problem, source=source)
                for problem in exc.below(key).problems
            ]
    return found, problems


def _defaults(record: type[ConfigRecord]) -> dict[str, Any]:
    return {field.name: field.default for field in attrs.fields(record)}


def _named(error: InvalidValueError, record: type[ConfigRecord]) -> InvalidValueError:
    return InvalidValueError(
        *(problem if problem.path else problem.below(record.__name__) for problem in error.problems)
    )


def _to_data(value: Any) -> Any:  # of any field
    if hasattr(value, "to_data"):
        return value.to_data()
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
