"""One end of a connection: frames in, frames out."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, cast

from dynamo_core.errors import ProtocolError
from dynamo_core.transport.frames import FrameDecoder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dynamo_core.transport.frames import Buffer, Frame

logger = logging.getLogger(__name__)

LARGE_BYTES: Final = 32 * 1024
"""From here on a body is written by itself, so that joining frames does not copy it."""

CHUNK_BYTES: Final = 256 * 1024
"""What is given to the event loop at once of a large body; asyncio copies what the kernel does not take."""

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

    Attributes:
        closed: Done once the connection is gone.
        is_congested: Whether the kernel takes no more for now.
        is_behind: Whether the peer does not keep up: much waits to be sent to it.
    """

    _transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop, max_frame_bytes: int) -> None:
        self._loop = loop
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
            if len(view) > CHUNK_BYTES:
                unsent[0] = view[CHUNK_BYTES:]
                self._transport.write(view[:CHUNK_BYTES])
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
