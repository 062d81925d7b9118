"""Naming the parameter whose value is nested absurdly deep, without following the nesting.

The decoders stop at Python's recursion limit, and do not say where they were.
"""

from __future__ import annotations

import re
from typing import Final

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_MAX_SCANNED_BYTES: Final = 1 << 18
_DEEP: Final = 100
_MAX_NAME: Final = 80

_SIZED: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_EXTENSION: Final = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_FIXED: Final = {
    **dict.fromkeys((0xCC, 0xD0), 1),
    **dict.fromkeys((0xCD, 0xD1), 2),
    **dict.fromkeys((0xCA, 0xCE, 0xD2), 4),
    **dict.fromkeys((0xCB, 0xCF, 0xD3), 8),
    0xD4: 2,
    0xD5: 3,
    0xD6: 5,
    0xD7: 9,
    0xD8: 17,
}
_NESTED: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def find_deep_json_key(body: bytes) -> str | None:
    """Give the key of the JSON object *body* under which the nesting is; None when that does not show early."""
    depth, key = 0, b""
    for match in _TOKEN.finditer(body, 0, _MAX_SCANNED_BYTES):
        token = match.group()
        if token[:1] == b'"':
            if depth == 1:
                key = token
        else:
            depth += 1 if token in b"[{" else -1
            if depth > _DEEP:
                return key[1 : _MAX_NAME + 1].rstrip(b'"').decode("utf-8", "replace") or None
    return None


def find_deep_msgpack_key(payload: bytes) -> str | None:
    """Give the key of the msgpack map *payload* under which the nesting is; None when that does not show early."""
    position, children = _read_head(payload, 0)
    left = [children]
    key = b""
    while left and position < min(len(payload), _MAX_SCANNED_BYTES):
        if left[-1] == 0:
            left.pop()
            continue
        is_key = len(left) == 1 and left[0] % 2 == 0
        left[-1] -= 1
        start = position
        position, children = _read_head(payload, position)
        if is_key:
            key = payload[start:position]
        if children:
            left.append(children)
            if len(left) > _DEEP:
                return key[1 : _MAX_NAME + 1].decode("utf-8", "replace") or None
    return None


def _read_head(payload: bytes, position: int) -> tuple[int, int]:
    """Read one value's head: where what follows it begins, and how many values are inside it."""
    head = payload[position]
    position += 1
    if head in _NESTED:
        width, factor = _NESTED[head]
        count = int.from_bytes(payload[position : position + width], "big")
        return position + width, count * factor
    if 0x80 <= head <= 0x8F:
        return position, (head & 15) * 2
    if 0x90 <= head <= 0x9F:
        return position, head & 15
    if 0xA0 <= head <= 0xBF:
        return position + (head & 31), 0
    width = _SIZED.get(head) or _EXTENSION.get(head, 0)
    if width:
        size = int.from_bytes(payload[position : position + width], "big")
        return position + width + size + (head in _EXTENSION), 0
    return position + _FIXED.get(head, 0), 0
