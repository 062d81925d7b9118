"""Values in parts: encoding and decoding without a look at the long byte string that they end in.

What is read as a whole is read with an empty byte string in its place, where that can only mean the long one.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from dynamo_core.errors import InvalidRequestError, UnsupportedValueError
from dynamo_core.parts import EMPTY, Buffer, Parts, extend, tail_of
from dynamo_core.values.encoding import encode_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


def encode_split(arguments: Mapping[str, object], names: Collection[str]) -> bytes | Parts:
    """Encode a map, in parts if one of the values called *names* is a long byte string."""
    tails = {name: tail_of(arguments.get(name)) for name in names}
    name = max(tails, key=lambda name: len(tails[name] or b""))
    tail = tails[name]
    if tail is None:
        return encode_wire(arguments)
    others = {each: value for each, value in arguments.items() if each != name}
    return extend(encode_wire({**others, name: b""}), tail)


def read_split_arguments(
    parts: Parts, names: Collection[str], decode: Callable[[Buffer], dict[str, object]]
) -> dict[str, object]:
    """Read arguments; one of *names* may be the byte string."""
    abridged = parts.abridged()
    if abridged is not None:
        with contextlib.suppress(InvalidRequestError):  # as a whole they may fit, or tell more
            arguments = decode(abridged)
            name = next(reversed(arguments), "")
            whole = _in_full(arguments[name], parts.tail) if name in names else None
            if whole is not None:
                arguments[name] = whole
                return arguments
    return decode(bytes(parts))


def read_split_result(parts: Parts, decode: Callable[[Buffer], object]) -> object:
    """Read a result, which may be the byte string."""
    if parts.abridged() == EMPTY:
        with contextlib.suppress(UnsupportedValueError):  # as above
            whole = _in_full(decode(EMPTY), parts.tail)
            if whole is not None:
                return whole
    return decode(bytes(parts))


def read_split_items(parts: Parts, decode: Callable[[Buffer], list[object]]) -> list[object]:
    """Read items, the last of which may be the byte string."""
    abridged = parts.abridged()
    if abridged is not None:
        with contextlib.suppress(UnsupportedValueError):  # as above
            items = decode(abridged)
            whole = _in_full(items[-1], parts.tail) if items else None
            if whole is not None:
                items[-1] = whole
                return items
    return decode(bytes(parts))


def _in_full(abridged: object, tail: Buffer) -> object | None:
    """The byte string that *abridged* stands for, in its type; None when it is none, or not empty."""
    if type(abridged) is bytes or type(abridged) is bytearray or type(abridged) is memoryview:
        return None if len(abridged) else type(abridged)(tail)
    return None
