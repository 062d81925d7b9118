"""The way from a client to the workers of one service, whatever carries the calls.

A client encodes arguments, a channel carries the bytes to a worker and brings bytes back, the client decodes them.
The transport's :class:`dynamo_core.transport.SlotChannel` goes over unix sockets; the provider ``inprocess`` has one
that calls a host directly, with the same bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from dynamo_core.definition import EndpointDefinition
    from dynamo_core.parts import Parts

Buffer = bytes | bytearray | memoryview

Routing = Literal["round_robin", "random", "least_loaded"] | int
"""How a worker is picked; a number is the slot of the one worker to take."""

NO_METADATA: Final[Mapping[str, str]] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class CallOptions:
    """What travels beside one call.

    Attributes:
        timeout_s: Seconds the call may take from now on, above 0; None for no limit.
        routing: How a worker is picked.
        metadata: Texts that the endpoint finds in its call context, trace context included.
    """

    timeout_s: float | None = None
    routing: Routing = "round_robin"
    metadata: Mapping[str, str] = NO_METADATA


DEFAULT_OPTIONS: Final = CallOptions()


class Channel(ABC):
    """Carries calls to the workers of one service.

    Attributes:
        carries_parts: Whether arguments may be given in parts; results and items may then come in parts.

    Used from one event loop. Errors are those of :class:`dynamo_core.errors.CallError`; cancelling a call, or
    closing a stream early, cancels the endpoint on the far side before it returns.
    """

    carries_parts: ClassVar[bool] = False

    @property
    @abstractmethod
    def service(self) -> str:
        """Name of the service."""

    @abstractmethod
    async def call(
        self, endpoint: EndpointDefinition, arguments: bytes, options: CallOptions
    ) -> Buffer | Parts:
        """Make one call.

        Args:
            endpoint: What is called; ``idempotent`` says whether it may be made again after its worker was lost.
            arguments: As ``EndpointCodec.encode_arguments`` gives them; a channel that carries parts takes
                :class:`dynamo_core.parts.Parts` as well.
            options: What travels beside it.

        Returns:
            The result, for ``EndpointCodec.decode_result``.
        """

    @abstractmethod
    def stream(
        self, endpoint: EndpointDefinition, arguments: bytes, options: CallOptions
    ) -> AsyncGenerator[Buffer | Parts, None]:
        """Make one call whose result is a stream; the call is made by the first step.

        Yields:
            Arrays of one or more items, for ``EndpointCodec.decode_items``, in order.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Close the channel; calls that are under way fail. Safe to call twice."""
