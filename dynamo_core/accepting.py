"""Taking connections from a listening socket that other workers may take from too."""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

logger = logging.getLogger(__name__)

ACCEPT_BATCH: Final = 8
"""Connections taken in one turn of the loop: loops take thousands, and one worker would have a whole burst."""

SHARED_BATCH: Final = 3
SHARED_PAUSE_S: Final = 0.001
"""Taken from a queue that other processes may take from too, and for how long they are then let go first.

As long as the queue does not run empty, each turn takes one more than the one before: who is alone is not kept
waiting, and who is not has shared out most of a burst by then.
"""

RELUCTANCE_S: Final = 0.25
"""How long a worker that would rather not take a connection leaves it to others."""

ACCEPT_PAUSE_S: Final = 0.5
"""How long nothing is accepted after the process has run out of descriptors."""

BACKLOG_CONNECTIONS: Final = 2048

WARN_INTERVAL_S: Final = 10.0
"""How long nothing more is said of descriptors that have run out."""

_EXHAUSTED: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Acceptor:
    """Accepts connections a few at a time, and pauses while the process has no descriptors left.

    Used from one event loop.

    Args:
        listener: A bound socket, which belongs to the acceptor from now on. Other processes may hold it too: it is
            closed, never shut down.
        take: Given every connection, which does not block; must not raise.
        whose: What the connections are made to, for messages: ``worker Backend/0``.
        is_shared: Whether other processes may take from the same queue: it then takes few at a time, so that a burst
            is spread over them.

    Attributes:
        is_reluctant: Whether others are to take connections, if there are any: they get a while for it.
    """

    def __init__(
        self,
        listener: socket.socket,
        take: Callable[[socket.socket], None],
        *,
        whose: str,
        is_shared: bool = False,
    ) -> None:
        self.is_reluctant = False
        self._first_batch = self._batch = SHARED_BATCH if is_shared else ACCEPT_BATCH
        self._is_shared = is_shared
        self._pause: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._listener: socket.socket | None = listener
        self._take = take
        self._whose = whose
        self._again: asyncio.TimerHandle | None = None
        self._quiet_until = 0.0

    @property
    def is_paused(self) -> bool:
        """Whether descriptors have run out, and it is too early to try again."""
        return self._again is not None

    def start(self) -> None:
        """Accept from now on.

        Raises:
            NotImplementedError: The loop cannot wait for a socket.
        """
        assert self._listener is not None
        self._listener.setblocking(False)
        self._wait(self._listener)
        self._listener.listen(
            BACKLOG_CONNECTIONS
        )  # the queue is shared: whoever listens last sets its length

    def relisten(self, listener: socket.socket) -> None:
        """Accept on another socket from now on; connections that wait in the queue of the former one are lost.

        Args:
            listener: As the constructor takes it; closed at once when nothing is accepted any more.
        """
        if self._listener is None:
            listener.close()
            return
        former = self._listener
        self._ignore(former)
        self._listener = listener
        self.start()
        former.close()

    def descriptor_freed(self) -> None:
        """There may be a descriptor again: no need to wait for the end of a pause."""
        if self._again is not None and self._listener is not None:
            self._resume()

    def stop(self) -> None:
        """Accept no more and close this process's copy of the socket. Safe to call twice.

        Connections in its queue are for whoever else holds it.
        """
        if self._listener is not None:
            self._ignore(self._listener)
            self._listener.close()
            self._listener = None

    def _readable(self) -> None:
        if self.is_reluctant:
            self._leave_to_others(RELUCTANCE_S, self._accept)
        else:
            self._accept()

    def _leave_to_others(self, pause_s: float, then: Callable[[], None] | None = None) -> None:
        assert self._listener is not None
        self._ignore(self._listener)
        self._pause = self._loop.call_later(pause_s, self._end_pause, then)

    def _end_pause(self, then: Callable[[], None] | None) -> None:
        self._resume()
        if then is not None:
            then()

    def _accept(self) -> None:
        assert self._listener is not None
        for _ in range(self._batch):
            try:
                sock, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                self._batch = self._first_batch
                return
            except OSError as exc:
                self._ignore(self._listener)
                if exc.errno in _EXHAUSTED:
                    self._warn(exc)
                    self._again = self._loop.call_later(ACCEPT_PAUSE_S, self._resume)
                else:
                    logger.error("%s: its listening socket is broken: %s", self._whose, exc)
                return
            sock.setblocking(False)
            self._take(sock)
        if self._is_shared and self._listener is not None:
            self._batch += 1
            self._leave_to_others(SHARED_PAUSE_S)

    def _warn(self, exc: OSError) -> None:
        now = time.monotonic()
        if now >= self._quiet_until:
            logger.warning("%s: no connection can be accepted now, callers wait: %s", self._whose, exc)
        self._quiet_until = now + WARN_INTERVAL_S

    def _wait(self, listener: socket.socket) -> None:
        self._loop.add_reader(listener.fileno(), self._readable)

    def _ignore(self, listener: socket.socket) -> None:
        self._loop.remove_reader(listener.fileno())
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _resume(self) -> None:
        assert self._listener is not None
        self._ignore(self._listener)
        self._wait(self._listener)
