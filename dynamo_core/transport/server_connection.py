"""The worker's end of a connection to one caller."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from typing import TYPE_CHECKING, Final

import msgspec

from dynamo_core.channel import NO_METADATA
from dynamo_core.error_data import error_to_data, message_of, shorten
from dynamo_core.errors import (
    CallCancelledError,
    CallError,
    DynamoError,
    EndpointNotFoundError,
    ProtocolError,
    RemoteCallError,
    UnsupportedValueError,
)
from dynamo_core.host import CallContext
from dynamo_core.parts import TAIL_BYTES, Parts, lone
from dynamo_core.transport import frames
from dynamo_core.transport.begun import ENTRIES, WITHDRAWN
from dynamo_core.transport.connection import FramedConnection
from dynamo_core.transport.frames import (
    AS_JSON,
    CALL,
    CONNECTION,
    ERROR,
    HAS_TAIL,
    OVERHEAD_BYTES,
    RESULT,
    TAIL_LENGTH,
    encode_frame,
    encode_head,
)
from dynamo_core.transport.messages import MAX_OPEN_CALLS, parse_call, parse_credit
from dynamo_core.transport.stream_sender import StreamSender

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dynamo_core.transport.begun import BegunMarks
    from dynamo_core.transport.frames import Buffer, Frame
    from dynamo_core.transport.messages import Hello
    from dynamo_core.transport.served_endpoint import ServedEndpoint
    from dynamo_core.transport.server import ServiceServer

logger = logging.getLogger(__name__)

SHORT_TEXT: Final = 500
UNSENT_CHECK_S: Final = 0.001

_encode: Final = msgspec.msgpack.Encoder().encode
_monotonic: Final = time.monotonic


class ServerConnection(FramedConnection):
    """Answers the calls of one caller, each in a task of its own.

    Losing the caller cancels them. A caller that does not read what it is sent is not read from either.

    Args:
        server: The server it belongs to.
        hello: What the caller said about itself.
        marks: The begun page that the caller passed; None to tell by frames. Closed with the connection.

    Attributes:
        loop: The running loop.
        hello: What the caller said about itself.
        calls: Task of each open call, by number.
        ending: Tasks of calls that were cancelled and have not ended yet.
        largest_body: Longest body that the caller reads, in bytes.
    """

    def __init__(self, server: ServiceServer, hello: Hello, marks: BegunMarks | None) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(loop, server.limits.max_frame_bytes, peer_takes_tails=hello.takes_tails)
        self.loop = loop
        self.hello = hello
        self.calls: dict[int, asyncio.Task[None]] = {}
        self.ending: set[asyncio.Task[None]] = set()
        self._streams: dict[int, StreamSender] = {}
        self._server = server
        self._service = server.host.name
        self._slot = server.host.slot
        self._endpoints = server.endpoints
        self._marks = marks
        self._table = None if marks is None else marks.table
        self.largest_body = hello.max_frame_bytes - OVERHEAD_BYTES
        self._is_going_away = False

    def __str__(self) -> str:
        return f"worker {self._service}/{self._slot}"

    # --- for the server ---

    def go_away(self) -> None:
        """Tell the caller to take new calls elsewhere; those that come nevertheless are sent back."""
        if not self._is_going_away:
            self._is_going_away = True
            self._send(encode_frame(frames.GOAWAY))

    def cancel_all(self) -> None:
        """Cancel every open call; the caller is told that the worker did."""
        for number, task in list(self.calls.items()):
            error = CallCancelledError(self._service, task.get_name(), slot=self._slot)
            self._send_error(number, error)
            self._cancel(number)

    @property
    def is_idle(self) -> bool:
        """Whether no call is open and everything was handed to the kernel."""
        return not (self.calls or self.ending or self.has_unsent)

    # --- for streams ---

    def send_frame(self, head: bytes, body: Buffer) -> None:
        """Send one frame by the end of this turn of the loop."""
        self._send(head, body)

    def send_parts(self, kind: int, number: int, parts: Parts) -> None:
        """Send one frame with a long byte string at once."""
        self._send_parts(kind, number, parts)

    def flush(self) -> None:
        """Send what is unsent now."""
        self._flush()

    def check_size(self, body_bytes: int, what: str) -> None:
        """Refuse a body that the caller would not read.

        Raises:
            UnsupportedValueError: It is too long.
        """
        if body_bytes > self.largest_body:
            raise UnsupportedValueError(
                f"{what} of {self._service} needs a frame of {body_bytes + OVERHEAD_BYTES} bytes, above the "
                f"caller's limit of {self.hello.max_frame_bytes} bytes (max_frame_bytes)"
            )

    def fail(self, number: int, error: CallError) -> None:
        """End an open call with *error*, whatever it is doing."""
        if number in self.calls:
            self._send_error(number, error)
            self._cancel(number)

    # --- what comes ---

    def _take(self, incoming: Iterable[Frame]) -> None:
        for kind, flags, number, body in incoming:
            if kind == CALL:
                self._take_call(flags, number, body)
            elif kind == frames.CANCEL:
                self._cancel(number)
            elif kind == frames.CREDIT:
                items, size_bytes = parse_credit(body)
                sender = self._streams.get(number)
                if sender is not None:
                    sender.add_credit(items, size_bytes)
            else:
                raise ProtocolError(f"a caller sends no frame of kind {kind}")

    def _take_call(self, flags: int, number: int, body: memoryview) -> None:
        calls = self.calls
        if number in calls or number == CONNECTION or len(calls) >= MAX_OPEN_CALLS:
            raise ProtocolError(f"call {number} cannot be opened: it is open, 0, or one too many")
        name, timeout_ms, metadata, arguments = parse_call(body)
        if self._is_going_away:
            self._send(encode_frame(ERROR, number, flags=frames.NOT_BEGUN))
            return
        try:
            served = self._endpoints.get(name) or self._unknown(name)
            if flags:
                given = served.decode_flagged(flags, self._taken(arguments, has_tail=flags >= HAS_TAIL))
                flags &= ~HAS_TAIL
            elif served.is_stream:
                raise served.wrong_kind()
            else:
                given = served.decode(arguments)
        except Exception as exc:  # noqa: BLE001  # whatever is wrong with one call ends only that call
            self._send_error(number, exc)
            return
        context = CallContext(
            service=self._service,
            endpoint=served.name,
            slot=self._slot,
            deadline=_monotonic() + timeout_ms / 1000 if timeout_ms else None,
            metadata=metadata or NO_METADATA,
        )
        if served.is_stream:
            work = self._answer_stream(number, flags, served, given, context)
        else:
            work = self._answer(number, flags, served, given, context)
        # Not loop.create_task: it makes a name of its own first.
        calls[number] = asyncio.Task(work, loop=self.loop, name=served.name)

    def _unknown(self, name: bytes) -> ServedEndpoint:
        known = [each.decode() for each in self._endpoints]
        raise EndpointNotFoundError(self._service, name.decode(errors="replace"), known=known)

    def _cancel(self, number: int) -> None:
        task = self.calls.pop(number, None)
        if task is not None:
            self._streams.pop(number, None)
            self.ending.add(task)
            task.add_done_callback(self._ended)
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.ending.discard(task)
        self._server.call_ended()

    # --- calls, each in its own task ---

    async def _answer(  # noqa: C901, PLR0912  # the hot path: in one piece
        self,
        number: int,
        flags: int,
        served: ServedEndpoint,
        arguments: dict[str, object],
        context: CallContext,
    ) -> None:
        try:
            table = self._table
            if table is not None and not served.may_wait:
                table[number % ENTRIES] = number
                if table[WITHDRAWN]:
                    raise self._withdrawn(context)
            else:
                await self._prepare_begin(number, served, context)
            value = await served.call(arguments, context, self.calls.get(number))
            body: Buffer | Parts
            if type(value) is bytes and len(value) >= TAIL_BYTES and served.splits_result and not flags:
                body = lone(value)
                size = TAIL_LENGTH.size + len(body)
            else:
                body = served.encode_flagged(flags, value) if flags else served.encode(value)
                size = len(body)
            if size > self.largest_body:
                self.check_size(size, f"the result of {served.name}")
        except Exception as exc:  # noqa: BLE001  # the caller is told
            self._end_call(number, exc)
        except asyncio.CancelledError:
            self._end_call(number, CallCancelledError(self._service, served.name, slot=self._slot))
            raise
        else:
            calls = self.calls
            if calls.pop(number, None) is not None:
                if isinstance(body, Parts):
                    self._send_parts(RESULT, number, body)
                    if not calls and self._server.is_draining:
                        self._server.call_ended()
                    return
                head = encode_head(RESULT, number, size)
                if calls:
                    self._send(head, body)
                else:
                    self._send_now(head, body)
                    if self._server.is_draining:
                        self._server.call_ended()

    async def _answer_stream(
        self,
        number: int,
        flags: int,
        served: ServedEndpoint,
        arguments: dict[str, object],
        context: CallContext,
    ) -> None:
        is_json = bool(flags & AS_JSON)
        encode = served.encode_json_items if is_json else served.encode_items
        splits = served.splits_result and not is_json
        sender = self._streams[number] = StreamSender(self, number, encode, splits=splits)
        try:
            if self._table is not None and not served.may_wait:
                self._mark_begun(number, context)
            else:
                await self._prepare_begin(number, served, context)
            try:
                await served.feed(arguments, context, sender.put)
            except Exception:
                sender.send_rest()
                raise
            sender.send_rest()
        except Exception as exc:  # noqa: BLE001  # the caller is told
            self._end_call(number, exc)
        except asyncio.CancelledError:
            self._end_call(number, CallCancelledError(self._service, served.name, slot=self._slot))
            raise
        else:
            if self.calls.pop(number, None) is not None:
                self._send(encode_frame(frames.END, number))
                if not self.calls:
                    self._flush()  # together with the last items
                    self._server.call_ended()
        finally:
            sender.close()
            self._streams.pop(number, None)

    def _end_call(self, number: int, error: BaseException) -> None:
        """Tell the caller how a call failed, unless it has left."""
        if self.calls.pop(number, None) is not None:
            self._send_error(number, error)
            self._server.call_ended()

    def _send_error(self, number: int, error: BaseException) -> None:
        if not isinstance(error, DynamoError):
            logger.error("%s: a call could not be answered", self, exc_info=error)
        body = _encode(error_to_data(error))
        if len(body) > self.largest_body:
            name = error.type_name if isinstance(error, RemoteCallError) else type(error).__name__
            message = error.message if isinstance(error, RemoteCallError) else message_of(error)
            brief = RemoteCallError(
                shorten(name, SHORT_TEXT),
                shorten(message, SHORT_TEXT),
                service=self._service,
                slot=self._slot,
            )
            body = _encode(error_to_data(brief))
        self._send(encode_head(ERROR, number, len(body)), body)

    async def _prepare_begin(self, number: int, served: ServedEndpoint, context: CallContext) -> None:
        """Have the caller know once a call begins; where no page is shared with it, that it may begin from now on."""
        if self._table is not None:
            context.on_begin = functools.partial(self._mark_begun, number, context)
        else:
            await self._tell_begun(number, context)

    def _mark_begun(self, number: int, context: CallContext) -> None:
        assert self._table is not None
        if not self.closed.done():
            self._table[number % ENTRIES] = number
        if self.closed.done() or self._table[WITHDRAWN]:
            raise self._withdrawn(context)

    async def _tell_begun(self, number: int, context: CallContext) -> None:
        """Have the kernel take a BEGIN frame, since no page is shared with the caller."""
        self._send(encode_frame(frames.BEGIN, number))
        self._flush()
        await asyncio.sleep(0)
        while self.has_unsent:
            await asyncio.sleep(UNSENT_CHECK_S)
        if self._transport.is_closing():
            raise self._withdrawn(context)

    def _withdrawn(self, context: CallContext) -> CallCancelledError:
        """Why a call does not begin any more: its connection is lost, and its caller may have gone elsewhere."""
        return CallCancelledError(self._service, context.endpoint, slot=self._slot)

    # --- what happens ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._server.connection_began(self)

    def _behind_changed(self) -> None:
        if self._transport.is_closing():
            return
        if self.is_behind:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _lost(self, reason: str) -> None:
        for number in list(self.calls):
            self._cancel(number)
        if self._marks is not None:
            self._marks.close()
        self._server.connection_ended(self)
