"""The worker's side: accepts connections on a slot's socket and has a host answer their calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.transport.limits import DEFAULT_LIMITS, TransportLimits

if TYPE_CHECKING:
    import socket

    from dynamo_core.host import Host


class ServiceServer:
    """Serves the endpoints of a host on a listening unix socket."""

    def __init__(
        self, host: Host, *, run_id: str, generation: int = 0, limits: TransportLimits = DEFAULT_LIMITS
    ) -> None:
        raise NotImplementedError

    async def start(self, listener: socket.socket) -> None:
        """Begin to accept connections on *listener*, which this server closes."""
        raise NotImplementedError

    def stop_accepting(self) -> None:
        """Accept no more connections."""
        raise NotImplementedError

    def go_away(self) -> None:
        """Tell every caller to take its new calls elsewhere."""
        raise NotImplementedError

    async def drain(self, timeout_s: float) -> bool:
        """Wait until no call is open; whether that came within *timeout_s* seconds."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """End everything. Safe to call twice."""
        raise NotImplementedError
