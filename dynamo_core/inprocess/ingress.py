"""Ways into a worker from outside its event loop: HTTP, and the run's unix sockets."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from dynamo_core.http import build_application, serve_http

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, MutableMapping

    from dynamo_core.config import HttpConfig
    from dynamo_core.host import Host

    Message = MutableMapping[str, Any]

logger = logging.getLogger(__name__)

_CUT_OFF_TIMEOUT_S: Final = 15.0
_STARTUP_ENDS: Final = ("lifespan.startup.complete", "lifespan.startup.failed")


class Ingress(ABC):
    """One way into one worker.

    Opened once its host has started, closed before the host stops.

    Attributes:
        path: Path of the unix socket it is; None when it is something else.
    """

    path: str | None = None

    @abstractmethod
    async def open(self, host: Host) -> None:
        """Begin to let calls in."""

    @abstractmethod
    def stop_accepting(self, grace_s: float) -> None:
        """Let nothing new in; what is under way goes on. Safe to call twice.

        Args:
            grace_s: Seconds that it may go on.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """End what is under way, in the end by force. Safe to call twice, and before :meth:`open`."""


class HttpIngress(Ingress):
    """Serves one worker's ``@api`` endpoints on a copy of the service's socket.

    Args:
        listener: The copy; closed in the end.
        http: Limits and TLS.
    """

    def __init__(self, listener: socket.socket, http: HttpConfig) -> None:
        self._listener = listener
        self._http = http
        self._stop = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._deadline = 0.0

    async def open(self, host: Host) -> None:
        """Serve, and return once the application has started.

        Raises:
            MissingExtraError: Libraries of the extra ``http`` are missing.
            DynamoError: The application cannot be built, or its lifespan failed.
        """
        definition = host.definition
        application = build_application(host, self._http, title=definition.name, app=definition.app)
        watched = _WatchedStart(application)
        self._serving = asyncio.get_running_loop().create_task(
            serve_http(watched, [self._listener], self._http, stop=self._stop, grace_s=self._left_s),
            name=f"http of {host.name}/{host.slot}",
        )
        self._serving.add_done_callback(lambda _: watched.was_decided.set())
        await watched.was_decided.wait()
        if watched.has_failed:
            await asyncio.wait([self._serving])
        if self._serving.done():
            self._serving.result()

    def stop_accepting(self, grace_s: float) -> None:
        """Close idle connections; requests under way go on."""
        if not self._stop.is_set():
            self._deadline = time.monotonic() + grace_s
            self._stop.set()

    def _left_s(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    async def aclose(self) -> None:
        """Wait for requests under way; whoever is left after the service's stop time is cut off."""
        self._stop.set()
        if self._serving is None:
            self._listener.close()
            return
        await asyncio.wait([self._serving], timeout=self._left_s() + _CUT_OFF_TIMEOUT_S)
        if self._serving.cancel():
            logger.warning("HTTP did not end in time")
            await asyncio.wait([self._serving])
        if not self._serving.cancelled() and (failure := self._serving.exception()) is not None:
            logger.error("HTTP did not end well: %s: %s", type(failure).__name__, failure)


class _WatchedStart:
    """An ASGI application that knows how the start of its lifespan went.

    Attributes:
        was_decided: Set once it is known.
        has_failed: Whether the lifespan reported a failure; its server is then about to end.
    """

    def __init__(self, application: Any) -> None:  # ASGI leaves the values open
        self.was_decided = asyncio.Event()
        self.has_failed = False
        self._application = application

    async def __call__(
        self, scope: Message, receive: Any, send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] != "lifespan":
            await self._application(scope, receive, send)
            return

        async def listen(message: Message) -> None:
            await send(message)
            if message["type"] in _STARTUP_ENDS:
                self.has_failed = message["type"] != _STARTUP_ENDS[0]
                self.was_decided.set()

        try:
            await self._application(scope, receive, listen)
        finally:
            self.was_decided.set()
