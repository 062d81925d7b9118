"""Whether a worker's HTTP takes calls: as callers over sockets, HTTP clients get only workers that are ready."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dynamo_core.accepting import Acceptor
    from dynamo_core.http.asgi import AsgiApplication, Receive, Scope, Send

ALWAYS_ANSWERED: Final = frozenset({"/healthz", "/readyz"})


class HttpGate:
    """Refuses calls with 503 while it is shut, and leaves new connections to other workers, if there are any.

    ``/healthz`` and ``/readyz`` are answered all the same.

    Args:
        service: Name of the service, for those who are refused.

    Attributes:
        is_open: Whether calls are taken.
        started: Set once connections are accepted.
    """

    def __init__(self, service: str) -> None:
        self.is_open = True
        self.started = asyncio.Event()
        self._service = service
        self._application: AsgiApplication | None = None
        self._acceptors: tuple[Acceptor, ...] = ()

    def attach(self, acceptors: Iterable[Acceptor]) -> None:
        """Connections are accepted from now on, by *acceptors*."""
        self._acceptors = tuple(acceptors)
        self.set_open(is_open=self.is_open)
        self.started.set()

    def set_open(self, *, is_open: bool) -> None:
        """Take calls, or refuse those that come from now on."""
        self.is_open = is_open
        for acceptor in self._acceptors:
            acceptor.is_reluctant = not is_open

    def before(self, application: AsgiApplication) -> Self:
        """Stand before *application*."""
        self._application = application
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan."""
        assert self._application is not None, "it stands before an application once it is served"
        kind = scope["type"]
        if self.is_open or kind == "lifespan" or scope["path"] in ALWAYS_ANSWERED:
            await self._application(scope, receive, send)
        elif kind == "websocket":
            await send({"type": "websocket.close", "code": 1013})
        else:
            await self._refuse(send)

    async def _refuse(self, send: Send) -> None:
        from dynamo_core.http.problems import RETRY_AFTER_S, ProblemDocument, send_problem  # seldom needed

        problem = ProblemDocument(
            status=503,
            detail=f"service {self._service!r} is not ready",
            members={"kind": "ServiceUnavailableError", "service": self._service},
            headers=((b"retry-after", b"%d" % RETRY_AFTER_S), (b"connection", b"close")),
        )
        await send_problem(send, problem)
