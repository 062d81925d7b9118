"""The HTTP ports of services that nobody serves: whoever connects is told so at once, instead of waiting in a queue.

The socket stays the run's own, so that a service that comes back has the port it had.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from typing import TYPE_CHECKING, Final

from dynamo_core.accepting import Acceptor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_circus.plan import RunPlan
    from dynamo_circus.supervisor.sockets import HttpSocket

RETRY_AFTER_S: Final = 30
"""How long it may take until a degraded service is tried again."""

MOST_OPEN: Final = 64
"""Connections that are answered at the same time; more are closed unanswered."""

LONGEST_S: Final = 2.0
"""How long one connection may take."""

LARGEST_HEAD_BYTES: Final = 65536
READ_BYTES: Final = 16384


class HttpRefusals:
    """Answers 503 on the ports of services that nobody serves.

    Args:
        sockets: By service; they stay their owner's.
        plan: Says which of them speak TLS: there connections are closed unanswered.
    """

    def __init__(self, sockets: Mapping[str, HttpSocket], plan: RunPlan) -> None:
        self._sockets = sockets
        self._plan = plan
        self._refusing: dict[str, tuple[Acceptor, set[_Refused]]] = {}

    def update(self, service: str, *, is_refused: bool) -> None:
        """Begin or end to refuse what comes to one service's port; nothing happens for a service that has none."""
        if is_refused == (service in self._refusing) or service not in self._sockets:
            return
        if not is_refused:
            self._end(service)
            return
        answers = self._answers(service)
        open_connections: set[_Refused] = set()

        def take(connection: socket.socket) -> None:
            if answers is None or len(open_connections) >= MOST_OPEN:
                connection.close()
            else:
                _Refused(connection, answers, open_connections)

        acceptor = Acceptor(_copy(self._sockets[service]), take, whose=f"HTTP of {service}")
        acceptor.start()
        self._refusing[service] = acceptor, open_connections

    def close(self) -> None:
        """Refuse nothing any more."""
        for service in list(self._refusing):
            self._end(service)

    def _end(self, service: str) -> None:
        acceptor, open_connections = self._refusing.pop(service)
        acceptor.stop()
        for each in list(open_connections):
            each.close()

    def _answers(self, service: str) -> tuple[bytes, bytes] | None:
        if self._plan.service(service).config.http.tls_certificate is not None:
            return None
        problem = {
            "type": "about:blank",
            "title": "Service Unavailable",
            "status": 503,
            "detail": "no worker of the service can take the call",
            "kind": "ServiceUnavailableError",
            "service": service,
        }
        body = json.dumps(problem).encode()
        head = (
            "HTTP/1.1 503 Service Unavailable\r\n"
            "content-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\n"
            f"retry-after: {RETRY_AFTER_S}\r\n"
            "cache-control: no-store\r\n"
            "x-content-type-options: nosniff\r\n"
            "connection: close\r\n\r\n"
        ).encode()
        return head, body


def _copy(listener: socket.socket) -> socket.socket:
    """Another descriptor of the same socket; it can be closed alone."""
    return socket.socket(fileno=os.dup(listener.fileno()))


class _Refused:
    """One connection: its request's head is read, answered, and the rest of it thrown away.

    Closing with something unread would take the answer away from the client.
    """

    def __init__(
        self, connection: socket.socket, answers: tuple[bytes, bytes], others: set[_Refused]
    ) -> None:
        self._connection = connection
        self._answers = answers
        self._others = others
        self._read = b""
        self._is_answered = False
        loop = asyncio.get_running_loop()
        loop.add_reader(connection.fileno(), self._readable)
        self._timer = loop.call_later(LONGEST_S, self.close)
        others.add(self)

    def close(self) -> None:
        """Let go of it. Safe to call twice."""
        self._others.discard(self)
        self._timer.cancel()
        if self._connection.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self._connection.close()

    def _readable(self) -> None:
        try:
            data = self._connection.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
        elif not self._is_answered:
            self._read += data
            if b"\r\n\r\n" in self._read or len(self._read) > LARGEST_HEAD_BYTES:
                self._answer()

    def _answer(self) -> None:
        self._is_answered = True
        head, body = self._answers
        with contextlib.suppress(OSError):  # it is the client's loss
            self._connection.send(head if self._read.startswith(b"HEAD ") else head + body)
            self._connection.shutdown(socket.SHUT_WR)
