"""Keeping a body within its limit while the caller's own application reads it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dynamo_core.http.problems import refuse_unread, send_problem

if TYPE_CHECKING:
    from dynamo_core.http.asgi import AsgiApplication, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)


class LimitedBody:
    """Stands between an application and its server; answers 413 itself once the limit is passed.

    Args:
        receive: The server's function.
        send: The server's function.
        limit: Bytes a body may have.
    """

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive = receive
        self._send = send
        self._limit = limit
        self._size = 0
        self._has_started = False
        self._is_over = False

    async def hand_to(self, application: AsgiApplication, scope: Scope) -> None:
        """Let *application* answer the request; what it raises after the limit was passed is of no use."""
        try:
            await application(scope, self.receive, self.send)
        except Exception:
            if not self._is_over:
                raise
            logger.debug("the application did not take the end of a body that is too large", exc_info=True)

    async def receive(self) -> Message:
        """Give the next message; a disconnect once the limit is passed."""
        if self._is_over:
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            if self._size > self._limit:
                self._is_over = True
                if not self._has_started:
                    refusal = refuse_unread(413, f"the body is larger than the limit of {self._limit} bytes")
                    await send_problem(self._send, refusal.problem)
                return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        """Send what the application answers, unless it has been answered already."""
        if self._is_over and not self._has_started:
            return
        self._has_started = True
        await self._send(message)
