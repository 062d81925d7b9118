"""Noticing a client that has stopped reading its answer."""

from __future__ import annotations

import asyncio
import logging

from dynamo_core.http.connection_limits import SEND_STALL_S

logger = logging.getLogger(__name__)


class StalledReader:
    """Cuts a connection off once its client takes nothing for a while; the owner calls :meth:`stop`."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._unsent_bytes = 0

    def begin(self, transport: asyncio.WriteTransport) -> None:
        """Begin to wait, when the transport has more to send than it wants to keep."""
        self.stop()
        self._unsent_bytes = transport.get_write_buffer_size()
        self._wait(transport)

    def stop(self) -> None:
        """Stop waiting; calling it again is harmless."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, transport: asyncio.WriteTransport) -> None:
        self._timer = asyncio.get_running_loop().call_later(SEND_STALL_S, self._check, transport)

    def _check(self, transport: asyncio.WriteTransport) -> None:
        unsent_bytes = transport.get_write_buffer_size()
        if unsent_bytes < self._unsent_bytes:
            self._unsent_bytes = unsent_bytes
            self._wait(transport)
        else:
            logger.warning("closed a connection: its client read nothing for %g s", SEND_STALL_S)
            transport.abort()
