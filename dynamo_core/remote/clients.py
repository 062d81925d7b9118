"""Clients of services that a run does not start, for the edges of one service."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs

from dynamo_core.client import make_client
from dynamo_core.remote.opening import open_channel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.channel import Channel
    from dynamo_core.definition import DependencyDefinition, ServiceDefinition


class RemoteClients:
    """Opens a channel for each edge that leads out of the run, on first use, and closes them together.

    Belongs to the event loop it is used on.

    Args:
        services: Address and definition of the service, by attribute.
    """

    def __init__(self, services: Mapping[str, tuple[str, ServiceDefinition]]) -> None:
        self._services = dict(services)
        self._channels: list[Channel] = []
        self._clients: dict[str, Any] = {}

    def clients(self) -> dict[str, Any]:
        """A client for each, by attribute; the same ones every time.

        Raises:
            MissingExtraError: One is reached over HTTP, and httpx is not installed.
        """
        loop = asyncio.get_running_loop()
        for attribute, (url, definition) in self._services.items():
            if attribute not in self._clients:
                channel = open_channel(definition.name, url)
                self._channels.append(channel)
                self._clients[attribute] = make_client(definition.inner, definition, channel, loop)
        return dict(self._clients)

    async def aclose(self) -> None:
        """Close all channels. Safe to call twice."""
        self._clients.clear()
        while self._channels:
            await self._channels.pop().aclose()


def remote_service(edge: DependencyDefinition) -> ServiceDefinition:
    """What an edge that leads to an address is called by: the class it names, under the name it has there."""
    from dynamo_core.inspection import define_service  # seldom needed

    definition = define_service(edge.on)
    return definition if edge.remote_name is None else attrs.evolve(definition, name=edge.remote_name)
