"""The caller's end of a connection to one worker."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dynamo_core.error_data import error_from_data
from dynamo_core.errors import ProtocolError, UnsupportedValueError
from dynamo_core.parts import Parts
from dynamo_core.transport import frames
from dynamo_core.transport.client_stream import ClientStream, EndOfStream
from dynamo_core.transport.connection import FramedConnection
from dynamo_core.transport.deadlines import Deadlines
from dynamo_core.transport.frames import (
    AS_JSON,
    CALL,
    END,
    ERROR,
    GOAWAY,
    HAS_TAIL,
    ITEMS,
    RESULT,
    TAIL_LENGTH,
    WANTS_STREAM,
    encode_frame,
)
from dynamo_core.transport.messages import (
    CREDIT_BODY,
    LARGEST_NAME_BYTES,
    MAX_METADATA_BYTES,
    MAX_OPEN_CALLS,
    call_frame_bytes,
    count_items,
    encode_call_body,
    encode_call_head,
    timeout_to_ms,
)
from dynamo_core.transport.slot_health import SlotHealth

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator

    from dynamo_core.transport.begun import BegunPage
    from dynamo_core.transport.frames import Buffer, Frame
    from dynamo_core.transport.limits import TransportLimits
    from dynamo_core.transport.messages import Welcome

_LAPS: Final = (frames.LARGEST_NUMBER + 1) // MAX_OPEN_CALLS
_MAX_CREDIT: Final = 0xFFFF_FFFF
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode


class Lost(Exception):  # noqa: N818  # an outcome, which the channel turns into an error
    """The worker has not answered and will not.

    Attributes:
        begun: Whether it may have begun the call.
        reason: What became of it, in one line.
    """

    def __init__(self, reason: str, *, begun: bool) -> None:
        super().__init__(reason)
        self.begun = begun
        self.reason = reason


class Expired(Exception):  # noqa: N818  # as above
    """The call's deadline has passed."""


class TooManyOpenCalls(Exception):  # noqa: N818  # as above
    """The connection has as many open calls as it can have."""


class ClientConnection(FramedConnection):
    """Makes calls on one worker.

    The outcome of a unary call is the result of its future: bytes, or an exception to be raised, so that none is
    reported as forgotten when nobody waits any more.

    Args:
        loop: The running loop.
        welcome: What the worker said about itself.
        page: The begun page that was passed to it; closed with the connection.
        limits: Of this side.

    Attributes:
        loop: The running loop.
        welcome: What the worker said about itself.
        limits: Of this side.
        calls: Future of each open unary call, by number.
        streams: Open streams, by number.
        is_leaving: Whether it takes no new calls, and closes after the last one.
        on_change: Called when it has become usable or unusable; the owner sets it.
        lost_reason: Why the connection is gone; None while it is there.
        health: How well it answers, as its channel has found.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        welcome: Welcome,
        page: BegunPage | None,
        limits: TransportLimits,
    ) -> None:
        super().__init__(loop, limits.max_frame_bytes, peer_takes_tails=welcome.takes_tails)
        self.loop = loop
        self.welcome = welcome
        self.limits = limits
        self.calls: dict[int, asyncio.Future[Any]] = {}
        self.streams: dict[int, ClientStream] = {}
        self.is_leaving = False
        self.lost_reason: str | None = None
        self.health = SlotHealth()
        self._page = page
        self._safe_bytes = welcome.max_frame_bytes - call_frame_bytes(
            bytes(LARGEST_NAME_BYTES), bytes(MAX_METADATA_BYTES), TAIL_LENGTH.size
        )
        self._begun: set[int] = set()
        self._deadlines = Deadlines(loop, self._is_open, self._expire)
        self._lap = -1
        self._numbers: Iterator[int] = iter(())

    def on_change(self) -> None:
        """Nobody has to be told."""

    def __str__(self) -> str:
        welcome = self.welcome
        return f"worker {welcome.service}/{welcome.slot} (process {welcome.pid})"

    @property
    def is_usable(self) -> bool:
        """Whether it takes new calls."""
        return not (self.is_leaving or self.is_behind or self.closed.done())

    @property
    def open_calls(self) -> int:
        """Calls that have no outcome yet."""
        return len(self.calls) + len(self.streams)

    # --- calls ---

    def start_call(
        self,
        endpoint: bytes,
        arguments: Buffer | Parts,
        metadata: bytes,
        deadline: float | None,
        flags: int = 0,
    ) -> tuple[int, asyncio.Future[Any]]:
        """Send a call whose result is one value.

        Args:
            endpoint: Name of the endpoint.
            arguments: Encoded; what a tail is a view of must not change before the call has its outcome.
            metadata: Encoded; empty for none.
            deadline: In seconds of :func:`time.monotonic`; None for no limit.
            flags: Of the CALL frame.

        Returns:
            Number of the call, and the future of its outcome: bytes, or an exception.

        Raises:
            UnsupportedValueError: The worker reads no frame as long as this call.
            TooManyOpenCalls: It has to wait for others.
        """
        size = len(arguments)
        if size > self._safe_bytes:
            self._check_size(endpoint, metadata, size)
        number = next(self._numbers, 0) or self._next_lap()
        timeout_ms = 0
        if deadline is not None:
            timeout_ms = timeout_to_ms(max(0.0, deadline - time.monotonic()))
            self._deadlines.add(deadline, number)
        calls = self.calls
        if isinstance(arguments, Parts):
            before = encode_call_body(endpoint, timeout_ms, metadata)
            self._send_parts(CALL, number, arguments, flags, before)
            future = calls[number] = self.loop.create_future()
            return number, future
        head = encode_call_head(number, flags, endpoint, timeout_ms, metadata, size)
        if calls or self.streams:
            self._send(head, arguments)
        else:
            self._send_now(head, arguments)
        future = calls[number] = self.loop.create_future()
        return number, future

    def start_stream(
        self,
        endpoint: bytes,
        arguments: Buffer | Parts,
        metadata: bytes,
        deadline: float | None,
        flags: int = WANTS_STREAM,
    ) -> ClientStream:
        """Send a call whose result is a stream, or that may be one; otherwise as :meth:`start_call`."""
        number, _ = self.start_call(endpoint, arguments, metadata, deadline, flags)
        del self.calls[number]
        stream = self.streams[number] = ClientStream(self, number, takes_result=bool(flags & AS_JSON))
        return stream

    def _check_size(self, endpoint: bytes, metadata: bytes, arguments_bytes: int) -> None:
        size = call_frame_bytes(endpoint, metadata, arguments_bytes) + TAIL_LENGTH.size
        if size > self.welcome.max_frame_bytes:
            raise UnsupportedValueError(
                f"the arguments of {self.welcome.service}.{endpoint.decode()} need a frame of {size} bytes, "
                f"above the worker's limit of {self.welcome.max_frame_bytes} bytes (max_frame_bytes)"
            )

    def _next_lap(self) -> int:
        """Numbers for the next calls: none whose place in the begun page is taken by an open call."""
        self._lap = (self._lap + 1) % _LAPS
        first = self._lap * MAX_OPEN_CALLS
        taken = {number % MAX_OPEN_CALLS for number in (*self.calls, *self.streams)}
        taken.update({0} if first == 0 else ())
        free = range(first, first + MAX_OPEN_CALLS)
        self._numbers = iter([each for each in free if each % MAX_OPEN_CALLS not in taken] if taken else free)
        number = next(self._numbers, 0)
        if not number:
            raise TooManyOpenCalls
        return number

    def cancel(self, number: int) -> None:
        """Forget an open call, and tell the worker that nobody waits for it."""
        if self.calls.pop(number, None) is None and self.streams.pop(number, None) is None:
            return
        self._begun.discard(number)
        self._send(encode_frame(frames.CANCEL, number))
        if self.is_leaving:
            self._close_when_done()

    def give_credit(self, number: int, items: int, size_bytes: int) -> None:
        """Let the worker send more of a stream."""
        if number in self.streams:
            body = CREDIT_BODY.pack(min(items, _MAX_CREDIT), min(size_bytes, _MAX_CREDIT))
            self._send(encode_frame(frames.CREDIT, number, body))

    # --- ending ---

    def leave(self) -> None:
        """Take no new calls; close once the open ones are done."""
        if not self.is_leaving:
            self.is_leaving = True
            self.on_change()
            self._close_when_done()

    def _close_when_done(self) -> None:
        if not self.calls and not self.streams:
            self.close()

    # --- what comes ---

    def _take(self, incoming: Iterable[Frame]) -> None:
        calls = self.calls
        shared = self._decoder.shared
        for kind, flags, number, body in incoming:
            if kind == RESULT:
                future = calls.pop(number, None)
                if future is not None:
                    if not future.done():
                        if flags:
                            future.set_result(self._taken(body, has_tail=flags >= HAS_TAIL))
                        else:
                            future.set_result(bytes(body) if body.obj is shared else body)
                elif number in self.streams:
                    self._take_lone_result(number, body)
            elif kind == ITEMS:
                stream = self.streams.get(number)
                if stream is not None:
                    stream.put(self._taken(body, has_tail=flags >= HAS_TAIL), count_items(body))
                elif number in calls:
                    raise ProtocolError(f"items came for call {number}, which is no stream")
            else:
                self._take_rare(kind, flags, number, body)
        if self.is_leaving:
            self._close_when_done()

    def _take_rare(self, kind: int, flags: int, number: int, body: memoryview) -> None:
        if kind == END:
            stream = self.streams.pop(number, None)
            if stream is not None:
                stream.end(EndOfStream())
            elif number in self.calls:
                raise ProtocolError(f"the end of a stream came for call {number}, which is none")
        elif kind == ERROR:
            self._take_error(flags, number, body)
        elif kind == frames.BEGIN:
            if self._is_open(number):
                self._begun.add(number)
        elif kind == GOAWAY:
            self.leave()
        else:
            raise ProtocolError(f"a worker sends no frame of kind {kind}")

    def _take_lone_result(self, number: int, body: memoryview) -> None:
        stream = self.streams.pop(number)
        if not stream.takes_result:
            raise ProtocolError(f"one result came for call {number}, which is a stream")
        stream.put(_encode([b"".join((body, self._decoder.tail))]), 1)
        stream.end(EndOfStream())

    def _take_error(self, flags: int, number: int, body: memoryview) -> None:
        if not self._is_open(number):
            return
        if flags & frames.NOT_BEGUN:
            self._settle(number, Lost("it takes no more calls", begun=False))
            return
        try:
            data = _decode(body)
            error = error_from_data(data, service=self.welcome.service)
        except (
            msgspec.MsgspecError,
            UnicodeDecodeError,
            RecursionError,
            TypeError,
            KeyError,
            ValueError,
        ) as exc:
            raise ProtocolError(f"the error of a call cannot be read: {exc}") from exc
        self._settle(number, error)

    def _settle(self, number: int, outcome: BaseException) -> None:
        """Give an open call its outcome."""
        self._begun.discard(number)
        future = self.calls.pop(number, None)
        if future is not None:
            if not future.done():
                future.set_result(outcome)
            return
        stream = self.streams.pop(number, None)
        if stream is not None:
            stream.end(outcome)

    # --- what happens ---

    def _is_open(self, number: int) -> bool:
        return number in self.calls or number in self.streams

    def _expire(self, number: int) -> None:
        self._send(encode_frame(frames.CANCEL, number))
        self._settle(number, Expired())
        if self.is_leaving:
            self._close_when_done()

    def _has_begun(self, number: int) -> bool:
        if self._page is not None:
            return self._page.has_begun(number)
        return number in self._begun

    def _behind_changed(self) -> None:
        self.on_change()

    def _lost(self, reason: str) -> None:
        self.lost_reason = reason
        self._deadlines.close()
        if self._page is not None:
            self._page.withdraw()
        for number in [*self.calls, *self.streams]:
            self._settle(number, Lost(reason, begun=self._has_begun(number)))
        if self._page is not None:
            self._page.close()
            self._page = None
        self.on_change()

    def abandon(self, outcome: BaseException) -> None:
        """Close at once; every open call ends with *outcome*. Safe to call twice."""
        for number in [*self.calls, *self.streams]:
            self._settle(number, outcome)
        self.abort()
