"""The few ASGI types this package speaks of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from dynamo_core.http.direct import DirectConnection

Scope = MutableMapping[str, Any]  # ASGI leaves the values open
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApplication = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = dict[bytes, bytes]


@attrs.define(eq=False)
class Exchange:
    """One request and the way to answer it.

    Attributes:
        scope: The request's ASGI scope.
        receive: Gives the parts of its body.
        send: Takes the parts of the answer.
        headers: By lower-case name.
    """

    scope: Scope
    receive: Receive
    send: Send
    headers: Headers

    @property
    def connection(self) -> DirectConnection | None:
        """The short way to the client; None when the server has none."""
        extensions: dict[str, Any] | None = self.scope.get("extensions")  # ASGI leaves the values open
        return None if extensions is None else extensions.get(CONNECTION_EXTENSION)


Handler = Callable[[Exchange], Awaitable[None]]

CONNECTION_EXTENSION: Final = "dynamo_core.http.connection"
"""Key in ``scope["extensions"]`` of the request's :class:`~dynamo_core.http.direct.DirectConnection`."""

NO_SNIFF: Final = (b"x-content-type-options", b"nosniff")


async def send_body(
    send: Send, status: int, content_type: bytes, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Send a whole response."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", b"%d" % len(body)),
                NO_SNIFF,
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
