"""Frames: how a byte stream is cut into messages. Pure, without I/O.

A frame is its length, a kind, flags, the number of the call it belongs to, and a body.
``docs/reference/wire-format.md`` has the layout to the byte.
"""

from __future__ import annotations

import io
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
HAS_TAIL: Final = 128
"""Flag of CALL, RESULT and ITEMS: the body ends in a long byte string, whose length stands before it."""
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

TAIL_LENGTH: Final = struct.Struct("!I")
TAIL_HEADER_BYTES: Final = HEADER_BYTES + TAIL_LENGTH.size
"""What stands before the body of a frame that has a tail."""
_WITH_TAILS: Final = frozenset({CALL, RESULT, ITEMS})

BUFFER_BYTES: Final = 64 * 1024
LAST_BYTES: Final = 4096
"""So much of a large frame is received like a small one, when nobody else has a view of the rest any more."""

Buffer = bytes | bytearray | memoryview
Frame = tuple[int, int, int, memoryview]
"""Kind, flags, number of the call, body without its tail."""

_pack: Final = HEADER.pack
_unpack: Final = HEADER.unpack_from


def encode_head(kind: int, number: int, body_bytes: int, flags: int = 0) -> bytes:
    """What stands before a body of *body_bytes*."""
    return _pack(OVERHEAD_BYTES + body_bytes, kind, flags, number)


def encode_frame(kind: int, number: int = CONNECTION, body: Buffer = b"", flags: int = 0) -> bytes:
    """One whole frame."""
    return _pack(OVERHEAD_BYTES + len(body), kind, flags, number) + body


def encode_tail_head(kind: int, number: int, body_bytes: int, tail_bytes: int, flags: int = 0) -> bytes:
    """What stands before a body of *body_bytes* whose last *tail_bytes* are a tail."""
    length = OVERHEAD_BYTES + TAIL_LENGTH.size + body_bytes
    return _pack(length, kind, flags | HAS_TAIL, number) + TAIL_LENGTH.pack(tail_bytes)


class FrameDecoder:
    """Cuts received bytes into frames.

    Bytes are received straight into :meth:`buffer`, so that none is copied on the way.
    Bodies are views into it, good until bytes are received again; :meth:`keep` makes one last.
    The tail of a body is received into a bytes object of its own.

    Args:
        max_frame_bytes: Longest frame to accept, its length field not counted.
        buffer_bytes: Room for frames of usual size; a longer one gets a buffer of its own.

    Attributes:
        shared: What the bodies of frames of usual size are views of.
        tail: Of the frame that was given last, when it has one; good until the next is asked for.
    """

    def __init__(self, max_frame_bytes: int, buffer_bytes: int = BUFFER_BYTES) -> None:
        self._max_frame_bytes = max_frame_bytes
        self.shared = bytearray(buffer_bytes)
        self._view = memoryview(self.shared)
        self._begin = 0
        self._end = 0
        self._large: memoryview | None = None
        self._large_end = 0
        self._last_bytes = min(LAST_BYTES, buffer_bytes)
        self._memory: io.BytesIO
        self._before_tail: Frame | None = None
        self.tail = b""

    def buffer(self, sizehint: int = -1) -> memoryview:
        """Where the next bytes go; never empty, whatever size is asked for."""
        if self._large is not None:
            if len(self._large) - self._large_end > self._last_bytes:
                return self._large[self._large_end : -self._last_bytes]
            return self._view
        return self._view[self._end :] if self._end else self._view

    def received(self, size_bytes: int) -> Iterable[Frame]:
        """Give the frames that are complete now that *size_bytes* were put into :meth:`buffer`.

        It must be read to its end before the next bytes are received.

        Raises:
            FrameTooLargeError: A frame passes the limit; nothing of its body was waited for.
            ProtocolError: These are no frames.
        """
        if self._large is not None:
            if len(self._large) - self._large_end > self._last_bytes:
                self._large_end += size_bytes
                return ()
            return self._finish_large(self._large, size_bytes)
        if size_bytes >= HEADER_BYTES and not self._end:
            length, kind, flags, number = _unpack(self._view)
            if length + LENGTH_BYTES == size_bytes <= self._max_frame_bytes and flags < HAS_TAIL:
                return ((kind, flags, number, self._view[HEADER_BYTES:size_bytes]),)  # the usual case
        return self._cut(size_bytes)

    def _finish_large(self, large: memoryview, size_bytes: int) -> Iterator[Frame]:
        """Take in the last bytes of a large frame; they came into the shared buffer, perhaps with others."""
        missing = min(len(large) - self._large_end, size_bytes)
        stop = self._large_end + missing
        large[self._large_end : stop] = self._view[:missing]
        self._large_end = stop
        if stop < len(large):
            return
        self._large = None
        large.release()  # and nobody else has a view any more, so that the next line copies nothing
        whole = self._memory.getvalue()
        del self._memory
        frame, self._before_tail = self._before_tail, None
        self.tail = whole
        if frame is None:
            frame = self._split_whole(whole)
        yield frame
        del frame, whole
        self.tail = b""
        self._begin = self._end = missing
        yield from self._cut(size_bytes - missing)

    def _split_whole(self, whole: bytes) -> Frame:
        """Make a frame of one that has been received in one piece."""
        view = memoryview(whole)
        _, kind, flags, number = _unpack(view)
        if not flags & HAS_TAIL:
            return kind, flags, number, view[HEADER_BYTES:]
        stop = len(view) - self._tail_bytes(kind, 0, len(view), view)
        self.tail = whole[stop:]
        return kind, flags, number, view[TAIL_HEADER_BYTES:stop]

    def _cut(self, size_bytes: int) -> Iterator[Frame]:
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
            if flags < HAS_TAIL:
                if stop > end:
                    break
                yield kind, flags, number, view[begin + HEADER_BYTES : stop]
            else:
                start = begin + TAIL_HEADER_BYTES
                if start > end:
                    needed = TAIL_HEADER_BYTES
                    break
                tail_bytes = self._tail_bytes(kind, begin, stop, view)
                if stop > end:
                    head_bytes = needed - tail_bytes
                    if begin + head_bytes <= end:
                        frame = (kind, flags, number, memoryview(bytes(view[start : stop - tail_bytes])))
                        self._await_tail(frame, tail_bytes, view[begin + head_bytes : end])
                        begin = end
                    elif head_bytes <= len(view):
                        needed = head_bytes
                    break
                self.tail = bytes(view[stop - tail_bytes : stop])
                yield kind, flags, number, view[start : stop - tail_bytes]
                self.tail = b""
            begin = stop
            needed = HEADER_BYTES
        self._settle(begin, end, needed)

    def _tail_bytes(self, kind: int, begin: int, stop: int, view: memoryview) -> int:
        """Length of the tail of the frame that stands from *begin* to *stop*."""
        tail_bytes: int = TAIL_LENGTH.unpack_from(view, begin + HEADER_BYTES)[0]
        if kind not in _WITH_TAILS or tail_bytes > stop - begin - TAIL_HEADER_BYTES:
            raise ProtocolError(
                f"a frame of kind {kind} and {stop - begin} bytes has no tail of {tail_bytes}"
            )
        return tail_bytes

    def _await_tail(self, frame: Frame, tail_bytes: int, received: memoryview) -> None:
        """Have the rest of a tail received into memory that becomes a bytes object as it is."""
        self._before_tail = frame
        self._await_large(tail_bytes, received)

    def _await_large(self, size_bytes: int, received: memoryview) -> None:
        self._memory = io.BytesIO(bytes(size_bytes))  # takes the object over, whose zeros cost nothing
        self._large = self._memory.getbuffer()
        self._large_end = len(received)
        self._large[: len(received)] = received

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
            self._await_large(needed, view[begin:end])
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
