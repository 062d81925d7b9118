"""The short way between an application and its connection, for what ASGI makes several steps of.

The hardened server puts one :class:`DirectConnection` per connection into ``scope["extensions"]``; under any other
server there is none, and what is here is done by ASGI's means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynamo_core.http.asgi import Send

LARGEST_COPIED_BYTES: Final = 64 * 1024
"""Bodies up to this size are joined with their head, to go out in one piece."""


class DirectConnection:
    """One connection, as the application that answers its requests may use it.

    Args:
        cut: Ends the response that is being sent so that it does not look complete.

    Attributes:
        cycle: uvicorn's cycle of the request whose turn it is to be answered; None while there is none.
    """

    __slots__ = ("_cut", "_lost", "cycle")

    def __init__(self, cut: Callable[[], None]) -> None:
        self.cycle: Any = None
        self._cut = cut
        self._lost: Callable[[], None] | None = None

    def cut(self) -> None:
        """End the response that is being sent so that it does not look complete."""
        self._lost = None
        self._cut()

    def watch(self, send: Send, lost: Callable[[], None]) -> bool:
        """Have *lost* called once nobody waits for the answer any more, at once when that is so already.

        Args:
            send: What the request is answered through.
            lost: Must not raise.

        Returns:
            Whether it will be; not when something stands between the server and *send*.
        """
        cycle = self.cycle
        if cycle is None or send != cycle.send:
            return False
        if cycle.disconnected:
            lost()
        else:
            self._lost = lost
        return True

    def unwatch(self) -> None:
        """Call nothing any more."""
        self._lost = None

    def client_left(self) -> None:
        """Nobody waits for the answer any more; for the server."""
        lost, self._lost = self._lost, None
        if lost is not None:
            lost()

    def send_whole(self, send: Send, status: int, fields: bytes, body: bytes) -> bool:
        """Send a whole response at once.

        Args:
            send: What the request is answered through.
            status: Of the response.
            fields: Lines of its head beside the length, each with its end.
            body: Of the response.

        Returns:
            Whether it was sent; when not, it has to be sent by ASGI's means.
        """
        cycle = self.cycle
        if (
            cycle is None
            or send != cycle.send
            or cycle.response_started
            or cycle.flow.write_paused
            or len(body) > LARGEST_COPIED_BYTES
            or cycle.scope["method"] == "HEAD"
        ):
            return False
        if cycle.disconnected:
            return True  # as ASGI has it: nobody is there to get it
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        parts = [STATUS_LINE[status]]
        for name, value in cycle.default_headers:
            parts += (name, b": ", value, b"\r\n")
        parts += (fields, b"content-length: %d\r\n" % len(body))
        if not cycle.keep_alive:
            parts.append(b"connection: close\r\n")
        parts += (b"\r\n", body)
        cycle.transport.write(b"".join(parts))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True
