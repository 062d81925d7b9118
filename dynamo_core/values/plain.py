"""What untyped values may hold: text keys, integers of 64 bits, no cycles.

msgspec checks integers and types itself while it encodes, but takes any key and follows a cycle until Python's
recursion limit.
:func:`check_plain` is the quick look before encoding, made only where an annotation leaves room for such values.
:class:`UnsupportedSearch` runs after something has failed and finds the path to it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import NoneType
from typing import Final

import msgspec

MAX_DEPTH: Final = 200
"""Levels of nesting a value may have: far below Python's recursion limit, so that the far side can read it too."""

SCALARS: Final = frozenset({NoneType, bool, int, float, str, bytes})
_NUMBERS: Final = frozenset({int, float})
_LONG_LIST: Final = 16  # above it, adding up the numbers is quicker than looking at each class
_MAX_KNOWN_TYPES: Final = 4096

_fields_by_type: dict[type, tuple[str, ...] | None] = {}


class UnsupportedPlainValueError(ValueError):
    """Something in the value cannot be sent; the path is not known yet."""


def field_names(kind: type) -> tuple[str, ...] | None:
    """Names of the fields of a dataclass, attrs class or msgspec Struct; None for every other class."""
    try:
        return _fields_by_type[kind]
    except KeyError:
        pass
    names: tuple[str, ...] | None = None
    if dataclasses.is_dataclass(kind):
        names = tuple(field.name for field in dataclasses.fields(kind))
    elif hasattr(kind, "__attrs_attrs__"):
        names = tuple(attribute.name for attribute in kind.__attrs_attrs__)
    elif issubclass(kind, msgspec.Struct):
        names = kind.__struct_fields__
    if len(_fields_by_type) >= _MAX_KNOWN_TYPES:
        _fields_by_type.clear()
    _fields_by_type[kind] = names
    return names


def check_plain(value: object, depth: int = 0) -> None:
    """Look for keys that are not text, and for nesting past the limit.

    Integers and unknown types are left to the encoder, pydantic models to pydantic.

    Raises:
        UnsupportedPlainValueError: There is one; :class:`UnsupportedSearch` tells where.
    """
    kind = type(value)
    if kind is dict:
        if depth >= MAX_DEPTH:
            raise UnsupportedPlainValueError
        for key, item in value.items():  # type: ignore[attr-defined]  # an exact dict
            if type(key) is not str and not isinstance(key, str):
                raise UnsupportedPlainValueError
            if type(item) not in SCALARS:
                check_plain(item, depth + 1)
    elif kind is list or kind is tuple:
        if depth >= MAX_DEPTH or len(value) > _LONG_LIST:  # type: ignore[arg-type]  # an exact list or tuple
            _check_sequence(value, depth)  # type: ignore[arg-type]  # likewise
            return
        for item in value:  # type: ignore[attr-defined]  # likewise
            if type(item) not in SCALARS:
                check_plain(item, depth + 1)
    elif kind not in SCALARS:
        _check_other(value, depth)


def _check_sequence(values: Sequence[object], depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise UnsupportedPlainValueError
    if len(values) > _LONG_LIST and type(values[0]) in _NUMBERS:
        try:
            sum(values, 0.0)  # type: ignore[type-var]  # no mapping can be added to a number: that is the test
        except (TypeError, ValueError, OverflowError):
            pass
        else:
            return
    for item in values:
        if type(item) not in SCALARS:
            check_plain(item, depth + 1)


def _check_other(value: object, depth: int) -> None:
    names = field_names(type(value))
    if names is not None:
        if depth >= MAX_DEPTH:
            raise UnsupportedPlainValueError
        for name in names:
            item = getattr(value, name, None)
            if type(item) not in SCALARS:
                check_plain(item, depth + 1)
    elif isinstance(value, Mapping):
        check_plain(dict(value), depth)
    elif isinstance(value, list | tuple):
        _check_sequence(value, depth)


# --- after something failed -------------------------------------------------------------------------------


class UnsupportedSearch:
    """Finds the first thing in a value that cannot be sent.

    Args:
        encode: Encodes one value of the target format, or raises.
    """

    def __init__(self, encode: Callable[[object], bytes]) -> None:
        self._encode = encode
        self._above: list[int] = []
        self._models = 0

    def find(self, value: object, path: str) -> str | None:
        """Give path and reason; None when there is nothing wrong with *value*.

        Args:
            value: What failed to encode.
            path: What to call it, such as the name of its parameter.
        """
        if type(value) in SCALARS:
            return self._describe_failure(value, path)
        if id(value) in self._above:
            return f"{_shorten(path)} contains itself"
        if len(self._above) >= MAX_DEPTH:
            return f"{_shorten(path)} is nested deeper than {MAX_DEPTH} levels (or contains itself)"
        self._above.append(id(value))
        try:
            return self._find_inside(value, path)
        finally:
            self._above.pop()

    def _find_inside(self, value: object, path: str) -> str | None:
        if isinstance(value, Mapping):
            return self._find_in_mapping(value, path)
        if isinstance(value, list | tuple | AbstractSet):
            return self._find_in_items((f"{path}[{index}]", item) for index, item in enumerate(value))
        names = field_names(type(value))
        if names is not None:
            fields = ((f"{path}.{name}", getattr(value, name, None)) for name in names)
            return self._find_in_items(fields) or self._describe_failure(value, path)
        if hasattr(value, "__pydantic_root_model__"):
            return self._find_in_model(value, path) or self._describe_failure(value, path)
        return self._describe_failure(value, path)

    def _find_in_model(self, value: object, path: str) -> str | None:
        serializer = type(value).__pydantic_serializer__  # type: ignore[attr-defined]  # every pydantic model's
        try:
            dumped = serializer.to_python(value, round_trip=True, warnings=False)
        except Exception as exc:  # noqa: BLE001  # the model's own code; becomes the reason
            return f"{path} cannot be dumped by its model {type(value).__name__}: {exc}"
        self._models += 1
        try:
            return self.find(dumped, path)
        finally:
            self._models -= 1

    def _find_in_mapping(self, value: Mapping[object, object], path: str) -> str | None:
        for key in value:
            if not isinstance(key, str) and not self._models:
                return f"{path} has a key of type {type(key).__name__}: keys must be text"
            reason = self._describe_failure(key, f"{path} has a key that")
            if reason is not None:
                return reason
        return self._find_in_items((_join(path, str(key)), item) for key, item in value.items())

    def _find_in_items(self, items: Iterable[tuple[str, object]]) -> str | None:
        for path, item in items:
            reason = self.find(item, path)
            if reason is not None:
                return reason
        return None

    def _describe_failure(self, value: object, path: str) -> str | None:
        try:
            self._encode(value)
        except OverflowError:
            bits = value.bit_length() if isinstance(value, int) else 0
            return f"{path} is an integer of {bits} bits: integers must be within -2**63 .. 2**64-1"
        except UnicodeEncodeError:
            return f"{path} is text with lone surrogates, which UTF-8 cannot hold"
        except RecursionError:
            return f"{_shorten(path)} is nested too deeply (or contains itself)"
        except Exception as exc:  # noqa: BLE001  # a hook of the user's class; becomes the reason
            known = isinstance(exc, TypeError) and str(exc).startswith(("Encoding objects", "cannot send"))
            reason = "" if known else f" ({exc})"
            return f"{path} is of type {type(value).__name__}, which cannot be sent{reason}"
        return None


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if key.isidentifier() else f"{path}[{key[:80]!r}]"


def _shorten(path: str) -> str:
    return path if len(path) <= 80 else f"{path[:60]}...{path[-15:]}"
