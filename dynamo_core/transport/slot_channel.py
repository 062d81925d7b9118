"""The caller's side: calls to the workers of one service, spread over their slots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.channel import Buffer, CallOptions, Channel
from dynamo_core.transport.limits import DEFAULT_LIMITS, TransportLimits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from dynamo_core.definition import EndpointDefinition
    from dynamo_core.transport.membership import Member


class SlotChannel(Channel):
    """A channel to the workers of one service."""

    def __init__(self, service: str, *, run_id: str, limits: TransportLimits = DEFAULT_LIMITS) -> None:
        self._service = service

    @property
    def service(self) -> str:
        """Name of the service."""
        return self._service

    def set_members(self, members: Sequence[Member]) -> None:
        """Take in who serves the service now."""
        raise NotImplementedError

    async def call(self, endpoint: EndpointDefinition, arguments: bytes, options: CallOptions) -> Buffer:
        raise NotImplementedError

    def stream(
        self, endpoint: EndpointDefinition, arguments: bytes, options: CallOptions
    ) -> AsyncGenerator[Buffer, None]:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError
