"""uvicorn's httptools protocol with the limits and the strictness it lacks.

Written against uvicorn 0.54 and httptools 0.9; ``tests/core/http/test_uvicorn_internals.py`` fails when the parts
of ``HttpToolsProtocol`` this leans on change: its parser callbacks, ``cycle`` with its flags, ``pipeline``, ``flow``,
``_unset_keepalive_if_required``.

What it adds: a time limit for a request's head, for its body and for a reader that has stopped reading; limits of the
head's size, the target's length and the number of fields; a limit of connections; refusal of what the parser lets
through and RFC 9112 does not; answers that still reach a client which is sending (the connection lingers).
"""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from dynamo_core.http.asgi import CONNECTION_EXTENSION
from dynamo_core.http.connection_limits import (
    LINGER_S,
    MAX_HEADER_FIELDS,
    MAX_TARGET_BYTES,
    MIN_BODY_BYTES_PER_S,
    ConnectionLimits,
)
from dynamo_core.http.direct import DirectConnection
from dynamo_core.http.problems import PROBLEM_TYPE, ProblemDocument
from dynamo_core.http.request_head import drop_upgrade, find_fault
from dynamo_core.http.stalled_reader import StalledReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn.config import Config
    from uvicorn.server import ServerState

logger = logging.getLogger(__name__)


class _Phase(enum.Enum):
    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


class _RequestRefusedError(Exception):
    """Leaves the parser's callbacks; the facts are on the connection."""


class _GentleTransport:
    """What a response's cycle writes to: the transport, whose end comes so that the client reads the answer."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


class HardenedProtocol(HttpToolsProtocol):
    """One connection of a client.

    Args:
        config: uvicorn's, loaded.
        state: What all connections of the server share.
        app_state: What the application's lifespan left for its requests.
        limits: Limits of the connection.
        on_closed: Called once it is gone.
    """

    def __init__(
        self,
        config: Config,
        state: ServerState,
        app_state: dict[str, Any],  # the application's own
        limits: ConnectionLimits,
        on_closed: Callable[[], None],
    ) -> None:
        super().__init__(config, state, app_state, asyncio.get_running_loop())
        self.access_log = False
        self.timeout_keep_alive = limits.keep_alive_s  # type: ignore[assignment]  # call_later takes a float
        self._limits = limits
        self._on_closed = on_closed
        self._direct = DirectConnection(self._cut)
        self._extensions: Any = {CONNECTION_EXTENSION: self._direct}  # uvicorn types the values too narrowly
        self._phase = _Phase.IDLE
        self._running: Any = None  # uvicorn's RequestResponseCycle whose turn it is to answer
        self._refusal: ProblemDocument | None = None
        self._is_lingering = False
        self._is_stopping = False
        self._timer: asyncio.TimerHandle | None = None
        self._reader = StalledReader()
        self._head_bytes = 0
        self._field_count = 0
        self._unparsed_bytes = 0
        self._body_bytes = 0
        self._body_started = 0.0

    # --- the connection ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or turn it away when there are too many."""
        super().connection_made(transport)
        self._gentle: Any = _GentleTransport(transport, self._close_gently)
        if self._is_stopping:
            transport.close()
        elif len(self.connections) > self._limits.max_connections:
            self._refuse(
                ProblemDocument(
                    status=503,
                    detail=f"all {self._limits.max_connections} connections are taken; try again later",
                    headers=((b"retry-after", b"1"),),
                )
            )
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered."""
        super().connection_lost(exc)
        self._cancel_timer()
        self._unset_keepalive_if_required()
        self._reader.stop()
        self._abandon(self._running)
        self.pipeline.clear()
        self._on_closed()

    def shutdown(self) -> None:
        """Finish the request that is being answered, and no other."""
        self._is_stopping = True
        self.pipeline.clear()
        running = self._running
        if running is None or running.response_complete:
            self.transport.close()
        else:
            running.keep_alive = False

    def refuse_all(self) -> None:
        """Close as soon as the connection is made: the server is stopping."""
        self._is_stopping = True

    def abort(self) -> None:
        """Close at once, whatever is running."""
        if self.transport is not None:
            self.transport.abort()

    def pause_writing(self) -> None:
        """Stop the application from sending, and begin to wait for the client."""
        super().pause_writing()
        self._reader.begin(self.transport)

    def resume_writing(self) -> None:
        """Let the application send again."""
        super().resume_writing()
        self._reader.stop()

    # --- receiving ---

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the limits."""
        if self._is_lingering:
            return
        self._unset_keepalive_if_required()
        self._unparsed_bytes += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError as exc:
            self._refuse(self._refusal or _describe_parser_error(exc))
            return
        if self._unparsed_bytes > self._limits.max_header_bytes and self._phase is not _Phase.IDLE:
            self._refuse(self._too_large_head())
        else:
            self._watch_progress()

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as exc:
            # a server may ignore an upgrade; this parser cannot, so the head is parsed again without it
            offset: int = exc.args[0]
            method, version = self.parser.get_method(), self.parser.get_http_version()
            head = drop_upgrade(method, self.url, version, self.headers)
            self.parser = httptools.HttpRequestParser(self)
            self.parser.feed_data(head)
            if len(data) > offset:
                self._feed(data[offset:])

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["extensions"] = self._extensions
        self._phase = _Phase.HEAD
        self._head_bytes = self._field_count = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        if len(self.url) + len(url) > MAX_TARGET_BYTES:
            self._fail(414, f"the request's target is longer than {MAX_TARGET_BYTES} bytes")
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field; those that follow a chunked body are dropped."""
        if self._phase is not _Phase.HEAD:
            return
        self._field_count += 1
        self._head_bytes += len(name) + len(value) + 4
        if self._field_count > MAX_HEADER_FIELDS:
            self._fail(431, f"the request has more than {MAX_HEADER_FIELDS} header fields")
        if self._head_bytes > self._limits.max_header_bytes:
            self._refusal = self._too_large_head()
            raise _RequestRefusedError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check the head, and have its request answered."""
        self._cancel_timer()
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._fail(400, "this server is no proxy: CONNECT is not taken")
            return  # parsed again without the upgrade
        fault = find_fault(self.parser.get_http_version(), self.url, self.headers)
        if fault is not None:
            self._fail(*fault)
        super().on_headers_complete()
        self.cycle.transport = self._gentle
        if not self.pipeline:
            self._running = self._direct.cycle = self.cycle
        self._phase = _Phase.BODY
        self._unparsed_bytes = self._body_bytes = 0

    def on_chunk_header(self) -> None:
        """Note that a chunked body goes on."""
        self._unparsed_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unparsed_bytes = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        if self.parser.should_upgrade():
            return
        self._cancel_timer()
        self._phase = _Phase.IDLE
        self._unparsed_bytes = 0
        super().on_message_complete()

    # --- time ---

    def _await_head(self) -> None:
        self._timer = self.loop.call_later(self._limits.header_timeout_s, self._head_timed_out)

    def _watch_progress(self) -> None:
        """Arm the time limit of what the client is in the middle of sending."""
        if self._timer is not None:
            return
        if self._phase is _Phase.BODY:
            self._body_started = time.monotonic()
            self._timer = self.loop.call_later(self._limits.body_timeout_s, self._body_timed_out)
        elif self._phase is _Phase.HEAD or not self._is_answering:
            self._await_head()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_timed_out(self) -> None:
        self._timer = None
        if self._is_answering or self.flow.read_paused:
            self._await_head()  # the client waits for us, or we do not listen to it
        elif self._phase is _Phase.IDLE and self._unparsed_bytes == 0:
            self.transport.close()
        else:
            self._refuse(_describe_timeout("head", self._limits.header_timeout_s))

    def _body_timed_out(self) -> None:
        limit = self._limits.body_timeout_s
        allowed = limit + self._body_bytes / MIN_BODY_BYTES_PER_S
        left = self._body_started + allowed - time.monotonic()
        if self.flow.read_paused:
            left = max(left, limit)  # the application does not read it
        if left > 0:
            self._timer = self.loop.call_later(left, self._body_timed_out)
            return
        self._timer = None
        self._refuse(_describe_timeout("body", limit))

    @property
    def _is_answering(self) -> bool:
        return self._running is not None and not self._running.response_complete

    # --- answering ---

    def on_response_complete(self) -> None:
        """Go on to the next request, or end the connection when this one's body was not read."""
        if self._is_lingering:
            self.server_state.total_requests += 1
            return
        has_unread_body = self._running is self.cycle and self.cycle.more_body
        self._running = self._direct.cycle = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        if has_unread_body and not self.transport.is_closing():
            self._linger()

    def _cut(self) -> None:
        """End the response that is being sent so that it does not look complete."""
        self._abandon(self._running)
        self.transport.close()

    def _close_gently(self) -> None:
        if self._phase is _Phase.BODY and self._running is self.cycle:
            self._linger()
        else:
            self.transport.close()

    def _fail(self, status: int, detail: str) -> None:
        self._refusal = ProblemDocument(status=status, detail=detail)
        raise _RequestRefusedError

    def _too_large_head(self) -> ProblemDocument:
        limit = self._limits.max_header_bytes
        if self._phase is _Phase.BODY:
            return ProblemDocument(status=400, detail=f"a chunk's extensions or trailers pass {limit} bytes")
        return ProblemDocument(status=431, detail=f"the request's head is larger than {limit} bytes")

    def _refuse(self, problem: ProblemDocument) -> None:
        """Answer what is being received with *problem* and close; never a second answer to one request."""
        if self._is_lingering or self.transport.is_closing():
            return
        logger.warning("refused a request of %s: %d %s", self._peer, problem.status, problem.detail)
        self.pipeline.clear()
        running = self._running
        if running is not None and not running.response_complete:
            if not running.more_body:  # it came before what is refused, and gets its answer
                running.keep_alive = False
                self._discard_input()
                return
            self._abandon(running)
            if running.response_started:
                self.transport.close()
                return
        body = problem.to_json()
        fields = [
            *self.server_state.default_headers,
            (b"content-type", PROBLEM_TYPE),
            (b"content-length", b"%d" % len(body)),
            *problem.headers,
            (b"connection", b"close"),
        ]
        lines = [name + b": " + value + b"\r\n" for name, value in fields]
        self.transport.write(b"".join([STATUS_LINE[problem.status], *lines, b"\r\n", body]))
        self._linger()

    def _abandon(self, cycle: Any) -> None:
        """Let the application know that nobody listens any more."""
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            self.flow.resume_writing()
            self._direct.client_left()

    def _discard_input(self) -> None:
        self._is_lingering = True
        self._cancel_timer()
        self._unset_keepalive_if_required()

    def _linger(self) -> None:
        """Send the end of the answer, and read on for a while: closing earlier would take the answer away."""
        self._discard_input()
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_S, self.transport.abort)

    @property
    def _peer(self) -> str:
        return f"{self.client[0]}:{self.client[1]}" if self.client else "a client"


def _describe_parser_error(exc: httptools.HttpParserError) -> ProblemDocument:
    cause = exc.__context__
    if isinstance(exc, httptools.HttpParserCallbackError) and not isinstance(
        cause, httptools.HttpParserError
    ):
        logger.error("reading a request failed", exc_info=cause or exc)
    return ProblemDocument(status=400, detail="the request is not HTTP/1.1")


def _describe_timeout(what: str, limit_s: float) -> ProblemDocument:
    return ProblemDocument(status=408, detail=f"the request's {what} did not come within {limit_s:g} s")
