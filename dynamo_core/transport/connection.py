"""One end of a connection: frames in, frames out."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Final, cast

from dynamo_core.errors import ProtocolError
from dynamo_core.parts import Parts
from dynamo_core.transport.frames import FrameDecoder, encode_head, encode_tail_head

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dynamo_core.transport.frames import Buffer, Frame

logger = logging.getLogger(__name__)

LARGE_BYTES: Final = 32 * 1024
"""From here on a body is written by itself, so that joining frames does not copy it."""

CHUNK_BYTES: Final = 4 * 1024 * 1024
"""What is given to the event loop at once of a large body."""

COPIED_CHUNK_BYTES: Final = 256 * 1024
"""The same where the event loop copies what the kernel does not take, as asyncio did before Python 3.12."""

BEHIND_BYTES: Final = 1024 * 1024
"""With so much unsent that the kernel does not take, a peer counts as one that does not keep up."""

FLUSH_PARTS: Final = 64
"""What is unsent goes out at once when it has so many parts: the peer can begin while this side goes on."""


class FramedConnection(asyncio.BufferedProtocol):
    """Reads frames from a transport, and writes those of one turn of the loop together.

    A subclass takes frames in by :meth:`_take`. Whoever makes one waits for :attr:`closed` after :meth:`close` or
    :meth:`abort`.

    Args:
        loop: The running loop.
        max_frame_bytes: Longest frame to read.
        peer_takes_tails: Whether the peer reads frames with tails.

    Attributes:
        closed: Done once the connection is gone.
        is_congested: Whether the kernel takes no more for now.
        is_behind: Whether the peer does not keep up: much waits to be sent to it.
    """

    _transport: asyncio.Transport

    def __init__(
        self, loop: asyncio.AbstractEventLoop, max_frame_bytes: int, *, peer_takes_tails: bool
    ) -> None:
        self._loop = loop
        self._peer_takes_tails = peer_takes_tails
        self._decoder = FrameDecoder(max_frame_bytes)
        self._received = self._decoder.received
        self.get_buffer = self._decoder.buffer  # type: ignore[method-assign]  # one call less for each read
        self._unsent: list[Buffer] = []
        self._has_large = False
        self._is_flush_due = False
        self.is_congested = False
        self.is_behind = False
        self._waiting_bytes = 0  # while it is congested
        self.closed: asyncio.Future[None] = loop.create_future()
        self._reason = ""
        self._writable: asyncio.Future[None] | None = None

    # --- what a subclass does ---

    def _take(self, frames: Iterable[Frame]) -> None:
        """Take in frames, all of them.

        Raises:
            ProtocolError: The peer may not send one of these; the connection is cut.
        """
        raise NotImplementedError

    def _behind_changed(self) -> None:
        """The peer no longer keeps up, or does again."""

    def _lost(self, reason: str) -> None:
        """The connection is gone."""
        raise NotImplementedError

    # --- sending ---

    def _send(self, head: bytes, body: Buffer = b"") -> None:
        """Send one frame by the end of this turn of the loop."""
        unsent = self._unsent
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush_by_turn)
        unsent.append(head)
        if body:
            unsent.append(body)
            if len(body) >= LARGE_BYTES:
                self._has_large = True
        if self.is_congested:
            self._waiting_bytes += len(head) + len(body)
            if self._waiting_bytes > BEHIND_BYTES and not self.is_behind:
                self.is_behind = True
                self._behind_changed()
        elif len(unsent) >= FLUSH_PARTS:
            self._flush()

    def _send_now(self, head: bytes, body: Buffer = b"") -> None:
        """Send one frame at once: there is nothing that could go with it."""
        if self._unsent or self.is_congested or len(body) >= LARGE_BYTES:
            self._send(head, body)
            self._flush()
        elif not self._transport.is_closing():
            self._transport.write(head + body)

    def _send_parts(self, kind: int, number: int, parts: Parts, flags: int = 0, before: bytes = b"") -> None:
        """Send a frame with a long byte string at once, without copying that.

        Args:
            kind: Of the frame.
            number: Of the call.
            parts: The value that its body ends in.
            flags: Of the frame.
            before: What its body begins with.
        """
        tail = parts.tail
        size = len(before) + len(parts)
        if self._peer_takes_tails:
            head = encode_tail_head(kind, number, size, len(tail), flags)
        else:
            head = encode_head(kind, number, size, flags)
        self._send(b"".join((head, before, parts.head)), tail)
        self._flush()

    def _taken(self, body: memoryview, *, has_tail: bool) -> Buffer | Parts:
        """Make the value in a frame that was just given last."""
        if has_tail:
            return Parts(bytes(body), self._decoder.tail)
        return self._decoder.keep(body)

    def _flush_by_turn(self) -> None:
        self._is_flush_due = False
        self._flush()

    def _flush(self) -> None:
        """Give what is unsent to the event loop, as far as it takes it."""
        unsent = self._unsent
        if not unsent or self.is_congested:
            return
        if self._transport.is_closing():
            unsent.clear()
            return
        if self._has_large:
            self._flush_large()
            return
        data = b"".join(unsent) if len(unsent) > 1 else unsent[0]
        unsent.clear()
        self._transport.write(data)

    def _flush_large(self) -> None:
        unsent = self._unsent
        while unsent and not self.is_congested and not self._transport.is_closing():
            count = next((i for i, part in enumerate(unsent) if len(part) >= LARGE_BYTES), len(unsent))
            if count:
                data = b"".join(unsent[:count])
                del unsent[:count]
                self._transport.write(data)
                continue
            view = memoryview(unsent[0])
            if len(view) > self._chunk_bytes:
                unsent[0] = view[self._chunk_bytes :]
                self._transport.write(view[: self._chunk_bytes])
            else:
                del unsent[0]
                self._transport.write(view)
        if not unsent:
            self._has_large = False

    @property
    def has_unsent(self) -> bool:
        """Whether something has not yet been given to the kernel."""
        return bool(self._unsent) or (not self.closed.done() and self._transport.get_write_buffer_size() > 0)

    async def writable(self) -> None:
        """Wait until the peer reads what was sent, or is gone."""
        while self.is_congested and not self.closed.done():
            if self._writable is None:
                self._writable = self._loop.create_future()
            await asyncio.shield(self._writable)

    # --- ending ---

    def close(self) -> None:
        """Close once everything is sent; nothing more is read. Safe to call twice."""
        if not self.closed.done():
            self._flush()
            if self._unsent:  # the peer does not read
                self._transport.abort()
            else:
                self._transport.close()

    def abort(self) -> None:
        """Close at once. Safe to call twice."""
        if not self.closed.done():
            self._transport.abort()

    def receive_leftover(self, data: bytes) -> None:
        """Take in bytes that came together with the handshake."""
        try:
            self._take(self._decoder.feed(data))
        except ProtocolError as exc:
            self._cut(exc)

    # --- what the event loop calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's derive from nothing
        # Frames are put together here, so the loop shall neither wait for more nor keep more than the kernel leaves.
        self._transport.set_write_buffer_limits(high=0)
        copies = sys.version_info < (3, 12) and isinstance(self._loop, asyncio.BaseEventLoop)
        self._chunk_bytes = COPIED_CHUNK_BYTES if copies else CHUNK_BYTES

    def buffer_updated(self, nbytes: int) -> None:
        try:
            self._take(self._received(nbytes))
        except ProtocolError as exc:
            self._cut(exc)

    def _cut(self, exc: ProtocolError) -> None:
        """End the connection because of what the peer sent."""
        logger.warning("%s: a connection is cut: %s", self, exc)
        self._reason = str(exc)
        self.abort()

    def eof_received(self) -> bool:
        self.abort()
        return False

    def pause_writing(self) -> None:
        self.is_congested = True
        self._waiting_bytes = sum(map(len, self._unsent))
        if self._waiting_bytes > BEHIND_BYTES and not self.is_behind:
            self.is_behind = True
            self._behind_changed()

    def resume_writing(self) -> None:
        self.is_congested = False
        self._flush()
        if self.is_behind and not (self.is_congested and self._waiting_bytes > BEHIND_BYTES // 2):
            self.is_behind = False
            self._behind_changed()
        if not self.is_congested:
            self._wake_writers()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        self._unsent.clear()
        self._wake_writers()
        self._lost(self._reason or (str(exc) if exc is not None else "the connection was closed"))

    def _wake_writers(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)
