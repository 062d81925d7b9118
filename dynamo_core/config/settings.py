"""A service's own settings: a mapping that keeps the text of every scalar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from dynamo_core.config import nodes
from dynamo_core.config.nodes import Items, Node, Scalar, Table
from dynamo_core.config.problems import InvalidValueError, join_path, suggest
from dynamo_core.config.readers import as_node, refuse, text
from dynamo_core.errors import MissingSettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")
D = TypeVar("D")

_REQUIRED: Final[Any] = object()


class Settings(Mapping[str, Any]):
    """Settings by key; nothing in them can be changed.

    Looking a value up gives what it means by itself: the types of YAML 1.2's core schema for what stands in a file,
    those of JSON for what stands on the command line.
    A mapping gives ``Settings`` again, a list a new list.
    :meth:`typed` and :meth:`text` go by what was written instead.

    Args:
        values: A mapping of JSON-like values.
        path: Keys that lead to them, for messages; the first is the service's name.

    Raises:
        ConfigError: A key is no text, or a value is nothing that JSON can hold.
    """

    __slots__ = ("_path", "_table")

    def __init__(self, values: Mapping[str, Any] | Table | None = None, *, path: Sequence[str] = ()) -> None:
        try:
            self._table = _table_of({} if values is None else values)
        except InvalidValueError as exc:
            raise exc.below("settings").as_config_error() from exc
        self._path = tuple(path)

    @property
    def table(self) -> Table:
        """The settings as they were written."""
        return self._table

    def __getitem__(self, key: str) -> Any:  # what a value is, is the file's to say
        """The value of *key*.

        Raises:
            MissingSettingError: There is none; it is a ``KeyError`` too.
        """
        return self._open(self._node(key), key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.entries)

    def __len__(self) -> int:
        return len(self._table.entries)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Settings):
            return self._table == other._table
        if isinstance(other, Mapping):
            return bool(self.to_plain() == other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as Mapping does

    def __repr__(self) -> str:
        return f"<Settings: {', '.join(self) or 'none'}>"

    def __contains__(self, key: object) -> bool:
        return key in self._table.entries

    def get(self, key: str, default: Any = None) -> Any:  # as for __getitem__
        """The value of *key*, or *default* when there is none."""
        if key not in self:
            return default
        return self[key]

    @overload
    def text(self, key: str) -> str: ...
    @overload
    def text(self, key: str, default: D) -> str | D: ...
    def text(self, key: str, default: Any = _REQUIRED) -> Any:
        """What was written for *key*: ``1.10`` and ``007`` stay as they are.

        Args:
            key: Name of the setting.
            default: Given when there is none.

        Raises:
            ConfigError: It is no scalar, or null.
            MissingSettingError: There is none, and no default.
        """
        return self._read(text, key, default)

    @overload
    def typed(self, key: str, annotation: type[T]) -> T: ...
    @overload
    def typed(self, key: str, annotation: type[T], default: D) -> T | D: ...
    @overload
    def typed(self, key: str, annotation: Any, default: Any = ...) -> Any: ...
    def typed(self, key: str, annotation: Any, default: Any = _REQUIRED) -> Any:
        """The value of *key* as a type, converted from what was written.

        Args:
            key: Name of the setting.
            annotation: ``str``, ``int``, ``float``, ``bool``, ``Path``, an ``Enum``, a ``Literal``, an attrs class or
                dataclass; ``list``, ``tuple``, ``set`` and ``dict`` of those; unions; ``Any``.
            default: Given when there is none.

        Raises:
            ConfigError: It cannot be read as that; all mistakes in it are told at once.
            MissingSettingError: There is none, and no default.
            TypeError: The annotation is none of those.
        """
        from dynamo_core.config.typed import reader_of  # few processes need it

        return self._read(reader_of(annotation), key, default)

    def to_plain(self) -> dict[str, Any]:
        """All of it as dicts, lists and scalars."""
        found: dict[str, Any] = nodes.plain(self._table)
        return found

    def to_data(self) -> list[Any]:
        """All of it as JSON and msgpack can hold it; :meth:`from_data` gives equal settings."""
        return nodes.to_data(self._table)

    @classmethod
    def from_data(cls, data: Sequence[Any]) -> Settings:
        """The reverse of :meth:`to_data`."""
        node = nodes.from_data(data)
        return cls(node if isinstance(node, Table) else None)

    def located_at(self, *path: str) -> Settings:
        """The same settings, whose messages name that path."""
        return Settings(self._table, path=path)

    def __reduce__(self) -> tuple[Any, ...]:
        return Settings.from_data, (self.to_data(),)

    def _node(self, key: str) -> Node:
        found = self._table.entries.get(key)
        if found is None:
            hint = suggest(key, list(self)) if isinstance(key, str) else ""
            raise MissingSettingError(join_path((*self._path, str(key))), hint=hint)
        return found

    def _open(self, node: Node, *keys: str) -> Any:
        match node:
            case Table():
                return Settings(node, path=(*self._path, *keys))
            case Items():
                return [self._open(item, *keys, f"[{number}]") for number, item in enumerate(node.items)]
            case Scalar():
                return node.value

    def _read(self, read: Any, key: str, default: Any) -> Any:
        if default is not _REQUIRED and key not in self:
            return default
        node = self._node(key)
        try:
            return read(node)
        except InvalidValueError as exc:
            raise exc.below(*self._path, key).as_config_error() from exc


def _table_of(values: Mapping[str, Any] | Table) -> Table:
    if isinstance(values, Settings):
        return values.table
    node = as_node(values)
    return node if isinstance(node, Table) else refuse(node, "a mapping")


def read_settings(value: object) -> Settings:
    """Settings of a node or of a mapping.

    Raises:
        InvalidValueError: It is no mapping.
    """
    if isinstance(value, Settings):
        return value
    node = as_node({} if value is None or (isinstance(value, Scalar) and value.is_null) else value)
    return Settings(node) if isinstance(node, Table) else refuse(node, "a mapping")


def join_settings(below: Settings, above: Settings) -> Settings:
    """*below* with everything that *above* gives, key by key."""
    joined = nodes.merge(below.table, above.table)
    assert isinstance(joined, Table)
    return Settings(joined)
