"""The clients of a run's services, for the program that runs it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from dynamo_core.client import make_client
from dynamo_core.errors import ServiceUnavailableError
from dynamo_core.transport import SlotChannel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dynamo_core.provider.bound import BoundGraph
    from dynamo_core.transport import Member


class RunClients:
    """One client for each service that is asked for.

    Belongs to the event loop it is made on.

    Args:
        graph: What runs.
        run_id: Its id.
        members_of: Where a service's workers are now, and why there are none.
    """

    def __init__(
        self, graph: BoundGraph, run_id: str, members_of: Callable[[str], tuple[Sequence[Member], str]]
    ) -> None:
        self._graph = graph
        self._run_id = run_id
        self._members_of = members_of
        self._loop = asyncio.get_running_loop()
        self._channels: dict[str, SlotChannel] = {}
        self._clients: dict[str, Any] = {}
        self._is_closed = False

    def find(self, service: type[Any] | str) -> Any:
        """The client of a service; the same one when asked again. From any thread.

        Raises:
            ServiceNotFoundError: The run has no such service.
            ServiceUnavailableError: The run has ended.
        """
        found = self._graph.find_service(service)
        if self._is_closed:
            raise ServiceUnavailableError(found.name, "its run has ended")
        if found.name not in self._clients:
            channel = SlotChannel(found.name, run_id=self._run_id)
            self._channels[found.name] = channel
            self._loop.call_soon_threadsafe(self._tell_members, found.name)
            self._clients[found.name] = make_client(found.inner, found.definition, channel, self._loop)
        return self._clients[found.name]

    def _tell_members(self, service: str) -> None:
        """Let a channel know what is known by now: that may be more than when it was asked for."""
        self.members_changed(service, *self._members_of(service))

    def members_changed(self, service: str, members: Sequence[Member], refusal: str = "") -> None:
        """Take in where a service's workers are now, or why there are none."""
        channel = self._channels.get(service)
        if channel is not None:
            channel.set_members(members, refusal)

    async def aclose(self) -> None:
        """Close every client; the run goes on or has ended. Safe to call twice."""
        self._is_closed = True
        for channel in self._channels.values():
            await channel.aclose()
