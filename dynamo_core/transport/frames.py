"""Frames: how a byte stream is cut into messages. Pure, without I/O.

A frame is its length, a kind, flags, the number of the call it belongs to, and a body.
``docs/reference/wire-format.md`` has the layout to the byte.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from dynamo_core.errors import FrameTooLargeError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HELLO: Final = 1
WELCOME: Final = 2
REFUSE: Final = 3
GOAWAY: Final = 4
CALL: Final = 5
BEGIN: Final = 6
RESULT: Final = 7
ITEMS: Final = 8
END: Final = 9
ERROR: Final = 10
CANCEL: Final = 11
CREDIT: Final = 12

AS_JSON: Final = 1
"""Flag of CALL: arguments, result and items are JSON."""
WANTS_STREAM: Final = 2
"""Flag of CALL: the caller expects a stream."""
NOT_BEGUN: Final = 1
"""Flag of ERROR: the call was not begun and will not be; another worker may take it."""

CONNECTION: Final = 0
"""Number of frames that belong to no call."""
LARGEST_NUMBER: Final = 0xFFFF_FFFF

HEADER: Final = struct.Struct("!IBBI")
HEADER_BYTES: Final = HEADER.size
LENGTH_BYTES: Final = 4
OVERHEAD_BYTES: Final = HEADER_BYTES - LENGTH_BYTES
"""What a frame's length counts beside the body."""

BUFFER_BYTES: Final = 64 * 1024

Buffer = bytes | bytearray | memoryview
Frame = tuple[int, int, int, memoryview]
"""Kind, flags, number of the call, body."""

_pack: Final = HEADER.pack
_unpack: Final = HEADER.unpack_from


def encode_head(kind: int, number: int, body_bytes: int, flags: int = 0) -> bytes:
    """What stands before a body of *body_bytes*."""
    return _pack(OVERHEAD_BYTES + body_bytes, kind, flags, number)


def encode_frame(kind: int, number: int = CONNECTION, body: Buffer = b"", flags: int = 0) -> bytes:
    """One whole frame."""
    return _pack(OVERHEAD_BYTES + len(body), kind, flags, number) + body


class FrameDecoder:
    """Cuts received bytes into frames.

    Bytes are received straight into :meth:`buffer`, so that none is copied on the way.
    Bodies are views into it, good until bytes are received again; :meth:`keep` makes one last.

    Args:
        max_frame_bytes: Longest frame to accept, its length field not counted.
        buffer_bytes: Room for frames of usual size; a longer one gets a buffer of its own.

    Attributes:
        shared: What the bodies of frames of usual size are views of.
    """

    def __init__(self, max_frame_bytes: int, buffer_bytes: int = BUFFER_BYTES) -> None:
        self._max_frame_bytes = max_frame_bytes
        self.shared = bytearray(buffer_bytes)
        self._view = memoryview(self.shared)
        self._begin = 0
        self._end = 0
        self._large: memoryview | None = None
        self._large_end = 0

    def buffer(self, sizehint: int = -1) -> memoryview:
        """Where the next bytes go; never empty, whatever size is asked for."""
        if self._large is not None:
            return self._large[self._large_end :]
        return self._view[self._end :] if self._end else self._view

    def received(self, size_bytes: int) -> Iterable[Frame]:
        """Give the frames that are complete now that *size_bytes* were put into :meth:`buffer`.

        It must be read to its end before the next bytes are received.

        Raises:
            FrameTooLargeError: A frame passes the limit; nothing of its body was waited for.
            ProtocolError: These are no frames.
        """
        if size_bytes >= HEADER_BYTES and not self._end and self._large is None:
            length, kind, flags, number = _unpack(self._view)
            if length + LENGTH_BYTES == size_bytes <= self._max_frame_bytes:  # one frame, the usual case
                return ((kind, flags, number, self._view[HEADER_BYTES:size_bytes]),)
        return self._cut(size_bytes)

    def _cut(self, size_bytes: int) -> Iterator[Frame]:
        if self._large is not None:
            self._large_end += size_bytes
            if self._large_end < len(self._large):
                return
            frame, self._large = self._large, None
            _, kind, flags, number = _unpack(frame)
            yield kind, flags, number, frame[HEADER_BYTES:]
            return
        begin = self._begin
        end = self._end + size_bytes
        view = self._view
        needed = HEADER_BYTES
        while end - begin >= HEADER_BYTES:
            length, kind, flags, number = _unpack(view, begin)
            if not OVERHEAD_BYTES <= length <= self._max_frame_bytes:
                self._refuse(length)
            needed = LENGTH_BYTES + length
            stop = begin + needed
            if stop > end:
                break
            yield kind, flags, number, view[begin + HEADER_BYTES : stop]
            begin = stop
            needed = HEADER_BYTES
        self._settle(begin, end, needed)

    def keep(self, body: memoryview) -> bytes | memoryview:
        """Make *body* last: itself when it has a buffer of its own, else a copy."""
        return bytes(body) if body.obj is self.shared else body

    def feed(self, data: Buffer) -> Iterator[Frame]:
        """Take in bytes that were received elsewhere; bodies last until the next step."""
        rest = memoryview(data)
        while rest:
            room = self.buffer()
            size_bytes = min(len(room), len(rest))
            room[:size_bytes] = rest[:size_bytes]
            rest = rest[size_bytes:]
            yield from self.received(size_bytes)

    @property
    def is_between_frames(self) -> bool:
        """Whether everything that was received has been given."""
        return self._large is None and self._begin == self._end

    def _settle(self, begin: int, end: int, needed: int) -> None:
        """Make room for the rest of a frame of *needed* bytes, of which those from *begin* to *end* are there."""
        view = self._view
        if begin == end:
            begin = end = 0
        elif needed > len(view):
            large = memoryview(bytearray(needed))
            large[: end - begin] = view[begin:end]
            self._large, self._large_end = large, end - begin
            begin = end = 0
        elif begin + needed > len(view):
            view[: end - begin] = view[begin:end]
            begin, end = 0, end - begin
        self._begin = begin
        self._end = end

    def _refuse(self, length: int) -> None:
        if length > self._max_frame_bytes:
            raise FrameTooLargeError(length, self._max_frame_bytes)
        raise ProtocolError(f"a frame's length must be at least {OVERHEAD_BYTES}, got {length}")
