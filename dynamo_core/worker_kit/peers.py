"""The services a worker depends on: who serves them now, or where they are, and clients to call them."""

from __future__ import annotations

import asyncio
from types import MappingProxyType
from typing import TYPE_CHECKING

from dynamo_core.client import make_client
from dynamo_core.remote import RemoteClients
from dynamo_core.transport import Member, SlotChannel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynamo_core.definition import ServiceDefinition


class Peers:
    """Channels to the services one worker depends on.

    Args:
        dependencies: Definition of the service, by attribute.
        run_ids: Id of the run that each service belongs to, by name; both ends of a connection must name it.
        addresses: By attribute, where those are that run elsewhere; nothing waits for them.
    """

    def __init__(
        self,
        dependencies: Mapping[str, ServiceDefinition],
        run_ids: Mapping[str, str],
        addresses: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._dependencies = {
            attribute: definition
            for attribute, definition in dependencies.items()
            if attribute not in addresses
        }
        self._elsewhere = RemoteClients(
            {attribute: (url, dependencies[attribute]) for attribute, url in addresses.items()}
        )
        self._channels = {
            definition.name: SlotChannel(definition.name, run_id=run_ids[definition.name])
            for definition in self._dependencies.values()
        }
        self._has_members = {name: asyncio.Event() for name in self._channels}

    @property
    def names(self) -> list[str]:
        """Names of the services."""
        return list(self._channels)

    @property
    def awaited(self) -> list[str]:
        """Names of those that have had no worker yet, and may have one."""
        return [name for name, known in self._has_members.items() if not known.is_set()]

    def update(self, service: str, members: Sequence[Member], refusal: str = "") -> None:
        """Take in who serves *service* now, or why nobody does: calls to it then fail, and nothing waits for it."""
        channel = self._channels.get(service)
        if channel is None:
            return
        channel.set_members(members, refusal)
        if members or refusal:
            self._has_members[service].set()

    async def wait_known(self) -> None:
        """Wait until every service has had a worker that was ready, or was given up."""
        for known in self._has_members.values():
            await known.wait()

    def clients(self) -> dict[str, object]:
        """A client for each dependency, by attribute."""
        loop = asyncio.get_running_loop()
        near = {
            attribute: make_client(definition.inner, definition, self._channels[definition.name], loop)
            for attribute, definition in self._dependencies.items()
        }
        return {**near, **self._elsewhere.clients()}

    async def aclose(self) -> None:
        """Close all channels."""
        for channel in self._channels.values():
            await channel.aclose()
        await self._elsewhere.aclose()
