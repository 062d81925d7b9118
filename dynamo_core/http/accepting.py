"""Taking connections from a socket that other workers take from too."""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

logger = logging.getLogger(__name__)

ACCEPT_BATCH: Final = 8
"""Connections taken in one turn of the loop: loops take thousands, and one worker would have a whole burst."""

ACCEPT_PAUSE_S: Final = 0.5
"""How long nothing is accepted after the process has run out of descriptors."""

BACKLOG_CONNECTIONS: Final = 2048

_EXHAUSTED: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Acceptor:
    """Accepts connections a few at a time.

    Args:
        listener: The listening socket; :meth:`stop` closes it.
        make_protocol: Makes the protocol of a connection.
        tls: For TLS; None for plain connections.
        handshake_timeout_s: Seconds that a TLS handshake may take.
    """

    def __init__(
        self,
        listener: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        *,
        tls: ssl.SSLContext | None,
        handshake_timeout_s: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._make_protocol = make_protocol
        self._tls = tls
        self._handshake_timeout_s = handshake_timeout_s if tls is not None else None
        self._opening: set[asyncio.Task[None]] = set()
        self._again: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept from now on.

        Raises:
            NotImplementedError: The loop cannot wait for a socket.
        """
        self._listener.setblocking(False)
        self._wait()
        self._listener.listen(BACKLOG_CONNECTIONS)  # whoever listens last sets the length of the shared queue

    def stop(self) -> None:
        """Accept no more and close this process's copy of the socket. Safe to call twice.

        Connections in its queue are for whoever else holds it.
        """
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
        for task in self._opening:
            task.cancel()

    def _accept(self) -> None:
        for _ in range(ACCEPT_BATCH):
            try:
                sock, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as exc:
                if exc.errno in _EXHAUSTED:
                    logger.warning("no HTTP connection can be accepted now: %s", exc)
                    self._pause()
                else:
                    logger.error("the socket for HTTP is broken: %s", exc)
                    self._loop.remove_reader(self._listener.fileno())
                return
            sock.setblocking(False)
            task = self._loop.create_task(self._open(sock), name="open HTTP connection")
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _pause(self) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._again = self._loop.call_later(ACCEPT_PAUSE_S, self._wait)

    def _wait(self) -> None:
        self._again = None
        self._loop.add_reader(self._listener.fileno(), self._accept)

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
