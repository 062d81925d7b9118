"""Answering requests to ``@api`` endpoints: read the arguments, call, send the result or the stream."""

from __future__ import annotations

import abc
import asyncio
import logging
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from dynamo_core.errors import CallError
from dynamo_core.host import CallContext
from dynamo_core.http.asgi import NO_SNIFF, Exchange, Handler, Headers, Send, send_body
from dynamo_core.http.disconnect import DisconnectWatch
from dynamo_core.http.incoming import (
    ClientLeftError,
    charset,
    check_length,
    media_type,
    read_body,
    read_query,
    read_trace,
)
from dynamo_core.http.problems import RefusedError, describe_failure, refuse, refuse_unread, send_problem
from dynamo_core.http.streams import StreamForm, StreamForms, as_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from dynamo_core.host import Host, HostedEndpoint

logger = logging.getLogger(__name__)

_JSON: Final = b"application/json"
_OCTETS: Final = b"application/octet-stream"
_UTF8: Final = frozenset({None, "utf-8", "utf8"})
_ITEMS_PER_TURN: Final = 64
_LAST_WORD_S: Final = 0.1
"""Between a stream's last line and its cut: browsers drop what a page has not read once the connection breaks."""


def make_handler(host: Host, hosted: HostedEndpoint, max_body_bytes: int) -> Handler:
    """Make what answers requests to one endpoint.

    Args:
        host: Runs it.
        hosted: The endpoint.
        max_body_bytes: Bytes a request's body may have.
    """
    reader = ArgumentReader(hosted, max_body_bytes)
    if hosted.is_stream:
        return StreamHandler(host, hosted, reader)
    return ResultHandler(host, hosted, reader)


class ArgumentReader:
    """Reads the arguments of one endpoint from its requests.

    Args:
        hosted: The endpoint.
        max_body_bytes: Bytes a body may have.
    """

    def __init__(self, hosted: HostedEndpoint, max_body_bytes: int) -> None:
        definition = hosted.definition
        assert definition.api is not None
        self._decode = hosted.codec.decode_json_arguments
        self._limit = max_body_bytes
        self._takes_query = definition.api.method in {"GET", "DELETE"}
        self._takes_body = definition.api.method != "GET"
        self._lone_bytes = (
            definition.parameters[0] if self._takes_body and hosted.codec.takes_bytes_as_body else None
        )

    async def read(self, exchange: Exchange) -> dict[str, object]:
        """Give the arguments by name.

        Raises:
            RefusedError: 400, 413 or 415.
            InvalidRequestError: They do not fit the endpoint.
            ClientLeftError: The client closed the connection.
        """
        headers = exchange.headers
        check_length(headers, self._limit)
        if b"content-encoding" in headers:
            raise refuse_unread(415, "compressed bodies are not taken; send it without 'content-encoding'")
        content_type = headers.get(b"content-type")
        if content_type is not None and self._takes_body:
            self._check_type(content_type)
        body = await read_body(exchange.receive, self._limit)
        if body and not self._takes_body:
            raise refuse(400, "this endpoint takes query parameters; a body has no meaning here")
        if content_type is None and body:
            raise refuse(415, f"the header 'content-type' is missing; send {self._wanted}")
        if self._lone_bytes is not None:
            if content_type is None and not self._lone_bytes.is_required:
                return {}
            return {self._lone_bytes.name: body}
        arguments: dict[str, object] = self._decode(
            body, read_query(exchange.scope) if self._takes_query else None
        )
        return arguments

    @property
    def _wanted(self) -> str:
        return (_JSON if self._lone_bytes is None else _OCTETS).decode()

    def _check_type(self, content_type: bytes) -> None:
        if content_type in {_JSON, _OCTETS} and (content_type == _OCTETS) == (self._lone_bytes is not None):
            return
        given = media_type(content_type)
        if self._lone_bytes is None:
            is_wanted = given == "application/json" or (
                given.startswith("application/") and given.endswith("+json")
            )
            if is_wanted and charset(content_type) not in _UTF8:
                raise refuse_unread(415, "JSON is taken in UTF-8 only")
        else:
            is_wanted = given == "application/octet-stream"
        if not is_wanted:
            raise refuse_unread(415, f"the body is {given or 'of no type'}; send {self._wanted}")


class _EndpointHandler(abc.ABC):
    """What answers for results and for streams have in common."""

    def __init__(self, host: Host, hosted: HostedEndpoint, reader: ArgumentReader) -> None:
        self._host = host
        self._hosted = hosted
        self._reader = reader
        self._service = host.name
        self._endpoint = hosted.definition.name

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        try:
            arguments = await self._reader.read(exchange)
        except RefusedError as exc:
            await send_problem(exchange.send, exc.problem)
            return
        except CallError as exc:
            await send_problem(exchange.send, describe_failure(self._service, self._endpoint, exc))
            return
        except ClientLeftError:
            logger.debug(
                "%s.%s: the client left before its request was complete", self._service, self._endpoint
            )
            return
        watch = DisconnectWatch(exchange)
        try:
            await self._answer(exchange, arguments, watch)
        except asyncio.CancelledError:
            if not watch.absorb():
                raise
            logger.debug("%s.%s: the client left, the call was cancelled", self._service, self._endpoint)
        finally:
            watch.stop()

    @abc.abstractmethod
    async def _answer(self, exchange: Exchange, arguments: dict[str, object], watch: DisconnectWatch) -> None:
        """Call the endpoint and send what it gives."""

    def _context(self, headers: Headers) -> CallContext:
        metadata = read_trace(headers) if b"traceparent" in headers else {}
        return CallContext(
            service=self._service,
            endpoint=self._endpoint,
            slot=self._host.slot,
            deadline=None,
            metadata=metadata,
        )


class ResultHandler(_EndpointHandler):
    """Answers with one result."""

    def __init__(self, host: Host, hosted: HostedEndpoint, reader: ArgumentReader) -> None:
        super().__init__(host, hosted, reader)
        self._content_type = _OCTETS if hosted.codec.gives_bytes else _JSON
        self._fields = b"content-type: %s\r\n%s: %s\r\n" % (self._content_type, *NO_SNIFF)
        self._encode = as_bytes if hosted.codec.gives_bytes else hosted.codec.encode_json_result

    async def _answer(self, exchange: Exchange, arguments: dict[str, object], watch: DisconnectWatch) -> None:
        try:
            result = await self._hosted.call(arguments, self._context(exchange.headers))
            if isinstance(result, Response):
                watch.stop()  # it may listen for the client itself
                await result(exchange.scope, exchange.receive, exchange.send)
                return
            body = self._encode(result)
        except Exception as exc:  # noqa: BLE001  # the boundary: becomes a problem document
            await send_problem(exchange.send, describe_failure(self._service, self._endpoint, exc))
            return
        watch.stop()
        connection = exchange.connection
        if connection is None or not connection.send_whole(exchange.send, 200, self._fields, body):
            await send_body(exchange.send, 200, self._content_type, body)


class StreamHandler(_EndpointHandler):
    """Answers with a stream of items."""

    def __init__(self, host: Host, hosted: HostedEndpoint, reader: ArgumentReader) -> None:
        super().__init__(host, hosted, reader)
        self._forms = StreamForms(hosted)

    async def _answer(self, exchange: Exchange, arguments: dict[str, object], watch: DisconnectWatch) -> None:
        form = self._forms.choose(exchange.headers.get(b"accept", b""))
        items = self._hosted.stream(arguments, self._context(exchange.headers))
        try:
            await self._send_items(exchange, form, items)
        finally:
            watch.stop()
            await items.aclose()

    async def _send_items(
        self, exchange: Exchange, form: StreamForm, items: AsyncGenerator[object, None]
    ) -> None:
        send = exchange.send
        has_begun = False
        count = 0
        try:
            async for item in items:
                chunk = form.encode(item)
                if not has_begun:
                    await self._begin(send, form)
                    has_begun = True
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                count += 1
                if count % _ITEMS_PER_TURN == 0:
                    await asyncio.sleep(0)  # items that are always ready must not hold the loop
        except Exception as exc:  # noqa: BLE001  # the boundary: becomes a problem document
            problem = describe_failure(self._service, self._endpoint, exc)
            if not has_begun:
                await send_problem(send, problem)
                return
            if form.encode_problem is not None:
                last = form.encode_problem(problem)
                await send({"type": "http.response.body", "body": last, "more_body": True})
                await asyncio.sleep(_LAST_WORD_S)
            if exchange.connection is not None:
                exchange.connection.cut()  # servers do so, too, when the application just returns
            return
        if not has_begun:
            await self._begin(send, form)
        await send({"type": "http.response.body", "body": form.end})

    async def _begin(self, send: Send, form: StreamForm) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", form.media_type),
                    (b"cache-control", b"no-cache"),
                    (b"x-accel-buffering", b"no"),
                    NO_SNIFF,
                ],
            }
        )
