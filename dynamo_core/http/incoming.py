"""Reading a request: its headers, its body within limits, its query."""

from __future__ import annotations

import re
import urllib.parse
from typing import TYPE_CHECKING, Final

from dynamo_core.http.problems import refuse, refuse_unread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynamo_core.http.asgi import Headers, Receive, Scope

_SINGLE: Final = frozenset(
    {b"host", b"origin", b"content-type", b"content-length", b"content-encoding", b"traceparent"}
)
_MAX_QUERY_FIELDS: Final = 1000
_MAX_LENGTH_DIGITS: Final = 20
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)
_MAX_TRACESTATE_BYTES: Final = 512


class ClientLeftError(Exception):
    """The client closed the connection before its request was complete; nobody is left to answer."""


def read_headers(scope: Scope) -> Headers:
    """Give the headers by lower-case name; those that may be repeated are joined.

    Raises:
        RefusedError: 400, one that must stand alone is repeated.
    """
    pairs = scope["headers"]
    headers: Headers = dict(pairs)
    if len(headers) != len(pairs):
        headers = {}
        for name, value in pairs:
            if name not in headers:
                headers[name] = value
            elif name in _SINGLE:
                raise refuse(400, f"the header {name.decode('latin-1')!r} is given more than once")
            else:
                headers[name] += b", " + value
    return headers


def media_type(content_type: bytes) -> str:
    """Give the media type without its parameters, lower case."""
    return content_type.partition(b";")[0].strip().lower().decode("latin-1")


def charset(content_type: bytes) -> str | None:
    """Give the charset parameter, lower case; None when there is none."""
    for part in content_type.split(b";")[1:]:
        name, _, value = part.partition(b"=")
        if name.strip().lower() == b"charset":
            return value.strip().strip(b'"').lower().decode("latin-1")
    return None


def check_length(headers: Headers, limit: int) -> None:
    """Refuse a body whose announced length passes *limit*, without reading any of it.

    Raises:
        RefusedError: 413; 400 when the length is no number.
    """
    length = headers.get(b"content-length")
    if length is None:
        return
    if not length.isdigit() or len(length) > _MAX_LENGTH_DIGITS:
        raise refuse_unread(400, "the header 'content-length' is no number")
    if int(length) > limit:
        raise refuse_unread(413, f"the body has {int(length)} bytes; the limit is {limit} bytes")


async def read_body(receive: Receive, limit: int) -> bytes:
    """Read the whole body, as long as it keeps within *limit*.

    Raises:
        RefusedError: 413; nothing is read past the limit.
        ClientLeftError: The client closed the connection.
    """
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts: list[bytes] = []
    size = 0
    while message["type"] == "http.request":
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await receive()
    raise ClientLeftError


def _too_large(limit: int) -> Exception:
    return refuse_unread(413, f"the body is larger than the limit of {limit} bytes")


def read_query(scope: Scope) -> Mapping[str, Sequence[str]]:
    """Give the texts of each query parameter.

    Raises:
        RefusedError: 400, it is not UTF-8 or has too many fields.
    """
    text = scope.get("query_string", b"")
    if not text:
        return {}
    try:
        return urllib.parse.parse_qs(
            text.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_QUERY_FIELDS,
        )
    except UnicodeError as exc:
        raise refuse(400, "the query is not UTF-8 in percent-encoding") from exc
    except ValueError as exc:
        raise refuse(400, f"the query has more than {_MAX_QUERY_FIELDS} fields") from exc


def read_trace(headers: Headers) -> dict[str, str]:
    """Give the W3C trace context as call metadata; one that is malformed counts as none."""
    traceparent = headers.get(b"traceparent")
    if traceparent is None or _TRACEPARENT.fullmatch(traceparent) is None:
        return {}
    if traceparent.startswith(b"00") and len(traceparent) != 55:
        return {}
    metadata = {"traceparent": traceparent.decode("latin-1")}
    tracestate = headers.get(b"tracestate")
    if tracestate and len(tracestate) <= _MAX_TRACESTATE_BYTES:
        metadata["tracestate"] = tracestate.decode("latin-1")
    return metadata
