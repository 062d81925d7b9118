"""Serving an ASGI application on sockets that are already listening, inside the running loop."""

from __future__ import annotations

import asyncio
import functools
import logging
import ssl
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final

from uvicorn.config import Config
from uvicorn.server import ServerState

from dynamo_core.accepting import BACKLOG_CONNECTIONS, Acceptor
from dynamo_core.errors import ConfigError
from dynamo_core.http.connection_limits import ConnectionLimits
from dynamo_core.http.gate import HttpGate
from dynamo_core.http.hardened_protocol import HardenedProtocol
from dynamo_core.http.lifespan import Lifespan
from dynamo_core.http.opening import Opener

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from dynamo_core.config import HttpConfig
    from dynamo_core.http.asgi import AsgiApplication

logger = logging.getLogger(__name__)

LOOK_AGAIN_S: Final = 0.05
"""Between two looks at whether there is less time by now."""

_CANCEL_TIMEOUT_S: Final = 2.0


async def serve(
    application: AsgiApplication,
    sockets: Sequence[socket.socket],
    http: HttpConfig,
    *,
    stop: asyncio.Event,
    grace_s: float | Callable[[], float],
) -> None:
    """Serve until *stop* is set; see :func:`dynamo_core.http.serve_http`."""
    try:
        server = _Server(application, http, await asyncio.to_thread(_load_tls, http))
        try:
            await server.start(sockets)
            if isinstance(application, HttpGate):
                application.attach(server.acceptors)
            await stop.wait()
        finally:
            await server.stop(grace_s if callable(grace_s) else _running_down(grace_s))
    finally:
        for listener in sockets:
            listener.close()


def _running_down(seconds: float) -> Callable[[], float]:
    """What is left of *seconds*, from its first call on."""
    ends: list[float] = []

    def left_s() -> float:
        if not ends:
            ends.append(time.monotonic() + seconds)
        return max(0.0, ends[0] - time.monotonic())

    return left_s


def _load_tls(http: HttpConfig) -> ssl.SSLContext | None:
    if http.tls_certificate is None:
        if http.tls_key is not None:
            raise ConfigError("http.tls_key is given without http.tls_certificate")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(http.tls_certificate, http.tls_key)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigError(
            f"http.tls_certificate {http.tls_certificate!r} with http.tls_key {http.tls_key!r} cannot be used: {exc}"
        ) from exc
    return context


class _Server:
    """uvicorn's protocol on given sockets, without its signal handlers, its logging setup and its exits."""

    def __init__(self, application: AsgiApplication, http: HttpConfig, tls: ssl.SSLContext | None) -> None:
        self._http = http
        self._tls = tls
        self._lifespan = Lifespan(application)
        self._state = ServerState()
        self._config = _make_config(application)
        self._limits = ConnectionLimits(
            header_timeout_s=http.header_timeout_s,
            body_timeout_s=http.body_timeout_s,
            keep_alive_s=http.keep_alive_s,
            max_header_bytes=http.max_header_bytes,
            max_connections=http.max_connections,
        )
        self._opener = Opener(self._connect, tls=tls, handshake_timeout_s=http.header_timeout_s)
        self.acceptors: list[Acceptor] = []
        self._servers: list[asyncio.Server] = []
        self._clock: asyncio.TimerHandle | None = None
        self._is_stopping = False
        self._closed = asyncio.Event()

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Start the lifespan, then accept."""
        await self._lifespan.start()
        loop = asyncio.get_running_loop()
        self._set_date(loop)
        for listener in sockets:
            acceptor = Acceptor(listener, self._opener.open, whose="HTTP", is_shared=True)
            try:
                acceptor.start()
            except NotImplementedError:  # Windows, where no other process has the socket
                await self._listen_with(loop, listener)
            else:
                self.acceptors.append(acceptor)

    async def _listen_with(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        options: dict[str, Any] = {}  # of create_server
        if self._tls is not None:
            options = {"ssl": self._tls, "ssl_handshake_timeout": self._http.header_timeout_s}
        self._servers.append(
            await loop.create_server(self._connect, sock=listener, backlog=BACKLOG_CONNECTIONS, **options)
        )

    async def stop(self, left_s: Callable[[], float]) -> None:
        """Accept nothing more, let requests finish while time is left, cut off the rest, stop the lifespan."""
        began = time.monotonic()
        self._is_stopping = True
        if self._clock is not None:
            self._clock.cancel()
        for acceptor in self.acceptors:
            acceptor.stop()
        self._opener.stop()
        for server in self._servers:
            server.close()
        for connection in self._connections():
            connection.shutdown()
        while not (has_closed := await self._wait_closed(min(LOOK_AGAIN_S, left_s()))) and left_s() > 0:
            pass
        if not has_closed:
            left = self._connections()
            waited_s = time.monotonic() - began
            logger.warning("cut off %d connections that did not finish within %.3g s", len(left), waited_s)
            for connection in left:
                connection.abort()
            await self._wait_closed(_CANCEL_TIMEOUT_S)
        await self._end_tasks()
        await self._lifespan.stop()

    def _connect(self) -> HardenedProtocol:
        connection = HardenedProtocol(
            self._config, self._state, self._lifespan.state, self._limits, self._connection_closed
        )
        if self._is_stopping:
            connection.refuse_all()
        return connection

    def _connections(self) -> list[HardenedProtocol]:
        return [each for each in self._state.connections if isinstance(each, HardenedProtocol)]

    def _connection_closed(self) -> None:
        for acceptor in self.acceptors:
            acceptor.descriptor_freed()
        if not self._state.connections:
            self._closed.set()

    async def _wait_closed(self, timeout_s: float) -> bool:
        self._closed.clear()
        if not self._state.connections:
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await self._closed.wait()
        except TimeoutError:
            return False
        return True

    async def _end_tasks(self) -> None:
        tasks = set(self._state.tasks)
        if not tasks:
            return
        _, left = await asyncio.wait(tasks, timeout=_CANCEL_TIMEOUT_S)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=_CANCEL_TIMEOUT_S)

    def _set_date(self, loop: asyncio.AbstractEventLoop) -> None:
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self._clock = loop.call_later(1.0, functools.partial(self._set_date, loop))


def _make_config(application: AsgiApplication) -> Config:
    config = Config(
        application,
        http=HardenedProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        proxy_headers=False,
        server_header=False,
    )
    config.load()
    return config
