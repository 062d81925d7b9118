"""From an accepted socket to an HTTP connection, over TLS where that is asked for."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class Opener:
    """Opens HTTP connections on accepted sockets, each in a task of its own: a TLS handshake takes its time.

    Args:
        make_protocol: Makes the protocol of a connection.
        tls: For TLS; None for plain connections.
        handshake_timeout_s: Seconds that a TLS handshake may take.
    """

    def __init__(
        self,
        make_protocol: Callable[[], asyncio.Protocol],
        *,
        tls: ssl.SSLContext | None,
        handshake_timeout_s: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._make_protocol = make_protocol
        self._tls = tls
        self._handshake_timeout_s = handshake_timeout_s if tls is not None else None
        self._opening: set[asyncio.Task[None]] = set()

    def open(self, sock: socket.socket) -> None:
        """Open a connection on *sock*, which belongs to it from now on."""
        task = self._loop.create_task(self._open(sock), name="open HTTP connection")
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def stop(self) -> None:
        """Give up the connections that are not open yet."""
        for task in self._opening:
            task.cancel()

    async def _open(self, sock: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make_protocol, sock, ssl=self._tls, ssl_handshake_timeout=self._handshake_timeout_s
            )
        except (OSError, TimeoutError) as exc:  # an SSLError is one too
            logger.debug("a connection could not be opened: %s", exc)
            sock.close()
        except BaseException:
            sock.close()
            raise
