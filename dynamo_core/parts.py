"""An encoded value that ends in a long byte string, which stays where it is instead of being copied.

Encoding such a value the usual way copies the byte string, and so does decoding it.
As :class:`Parts` it goes over a socket from where its owner holds it, straight into what its receiver gets.
"""

from __future__ import annotations

import struct
from typing import Final

Buffer = bytes | bytearray | memoryview

TAIL_BYTES: Final = 64 * 1024
"""From here on a byte string is worth a part of its own."""

_BIN32: Final = struct.Struct("!BI")
_BIN32_TYPE: Final = 0xC6
_LONGEST_BYTES: Final = 0xFFFF_FFFF
EMPTY: Final = b"\xc4\x00"
"""An empty byte string in msgpack."""


class Parts:
    """A msgpack value in two parts.

    Attributes:
        head: All of it but the content of the byte string that it ends in.
        tail: That content.
    """

    __slots__ = ("head", "tail")

    def __init__(self, head: Buffer, tail: Buffer) -> None:
        self.head = head
        self.tail = tail

    def __len__(self) -> int:
        return len(self.head) + len(self.tail)

    def __bytes__(self) -> bytes:
        return b"".join((self.head, self.tail))

    def abridged(self) -> bytes | None:
        """The value with an empty byte string in the place of the long one; None when it does not end in one."""
        head = bytes(self.head)
        if not head.endswith(_BIN32.pack(_BIN32_TYPE, len(self.tail))):
            return None
        return head[: -_BIN32.size] + EMPTY


def tail_of(value: object) -> Buffer | None:
    """The content of a long byte string, not copied; None for everything else."""
    if type(value) is bytes:
        return value if TAIL_BYTES <= len(value) <= _LONGEST_BYTES else None
    if type(value) is bytearray or type(value) is memoryview:
        view = memoryview(value)
        if view.c_contiguous and TAIL_BYTES <= view.nbytes <= _LONGEST_BYTES:
            return view.cast("B")
    return None


def extend(abridged: bytes, tail: Buffer) -> Parts:
    """Put *tail* into the place of the empty byte string that *abridged* ends in."""
    return Parts(abridged[: -len(EMPTY)] + _BIN32.pack(_BIN32_TYPE, len(tail)), tail)


def lone(tail: Buffer) -> Parts:
    """The value that is nothing but the byte string *tail*."""
    return Parts(_BIN32.pack(_BIN32_TYPE, len(tail)), tail)
