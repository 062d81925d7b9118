"""``--Service.key=value``: settings on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NoReturn

from dynamo_core.config.names import is_name
from dynamo_core.config.nodes import (
    DEEPEST_NESTING,
    Items,
    Kind,
    Node,
    Scalar,
    Table,
    UnsupportedPythonValueError,
    merge,
    to_node,
)
from dynamo_core.config.section import normalise
from dynamo_core.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

_PREFIX: Final = "--"
_FORM: Final = "--Service.key=value"


def is_override(argument: str) -> bool:
    """Whether an argument of the command line has the form of an override: ``--Service.key``, with a value or not."""
    service, dot, rest = argument.removeprefix(_PREFIX).partition(".")
    return (
        argument.startswith(_PREFIX) and is_name(service) and bool(dot) and "=" not in service and bool(rest)
    )


def parse_overrides(arguments: Sequence[str]) -> Table:
    """The arguments as one mapping, shaped like the file's; later ones come before earlier ones.

    A value is read as JSON; one that is not JSON is a text.
    An argument without a value means true.

    Raises:
        ConfigError: An argument has another form, or its JSON is refused; all of them are told at once.
    """
    found: Node = Table()
    problems: list[Problem] = []
    for place, argument in enumerate(arguments):
        try:
            found = merge(found, normalise(_parse(argument)))
        except _RefusedError as exc:
            before = arguments[place - 1] if place else ""
            is_value = not argument.startswith(_PREFIX) and is_override(before) and "=" not in before
            hint = f"; write {before}={argument}" if is_value else ""
            problems.append(Problem(f"{exc}{hint}"))
    if problems:
        raise ConfigError(*problems)
    assert isinstance(found, Table)
    return found


class _RefusedError(Exception):
    pass


def _parse(argument: str) -> Table:
    if not is_override(argument):
        raise _RefusedError(f"{_without_value(argument)!r} is no setting: wanted {_FORM}")
    path, equals, text = argument.removeprefix(_PREFIX).partition("=")
    keys = path.split(".")
    if not all(keys):
        raise _RefusedError(f"{_without_value(argument)!r} is no setting: one of its keys is empty")
    if len(keys) > DEEPEST_NESTING:
        raise _RefusedError(
            f"{_without_value(argument)[:80]!r} is no setting: it has more than {DEEPEST_NESTING} keys"
        )
    source = _PREFIX + path
    node: Node = _parse_value(text, source) if equals else Scalar("true", Kind.JSON, source)
    for key in reversed(keys):
        node = Table({key: node}, source, {key: source})
    assert isinstance(node, Table)
    return node


def _without_value(argument: str) -> str:
    """What may be shown of an argument: its value could be a secret."""
    path, equals, _ = argument.partition("=")
    return f"{path}=..." if equals else path


def _parse_value(text: str, source: str) -> Node:
    try:
        value = json.loads(
            text,
            parse_int=lambda number: Scalar(number, Kind.JSON),
            parse_float=lambda number: Scalar(number, Kind.JSON),
            parse_constant=_refuse_constant,
            object_pairs_hook=lambda pairs: _table(pairs, source),
        )
        return _sourced(to_node(value), source)
    except UnsupportedPythonValueError as exc:
        raise _RefusedError(f"{source} {exc}") from exc
    except RecursionError:
        raise _RefusedError(f"{source} is nested too deeply") from None
    except ValueError:
        return Scalar(text, Kind.TEXT, source)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _table(pairs: list[tuple[str, Any]], source: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _RefusedError(f"{source} has the key {key!r} twice")
        found[key] = value
    return found


def _sourced(node: Node, source: str) -> Node:
    match node:
        case Table():
            return Table({key: _sourced(item, source) for key, item in node.entries.items()}, source)
        case Items():
            return Items(tuple(_sourced(item, source) for item in node.items), source)
        case Scalar():
            return Scalar(node.text, node.kind, source)
