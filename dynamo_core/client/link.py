"""What a client knows beside its endpoints: where calls go, and what travels with them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import attrs

from dynamo_core.channel import DEFAULT_OPTIONS, NO_METADATA, CallOptions
from dynamo_core.client.home import HomeLoop
from dynamo_core.errors import CallTimeoutError
from dynamo_core.host.context import CURRENT_CALL

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from dynamo_core.channel import Channel, Routing
    from dynamo_core.definition import ServiceDefinition
    from dynamo_core.host.context import CallContext

_MARGIN_SHARE: Final = 0.05
_MAX_MARGIN_S: Final = 0.02


@attrs.frozen(kw_only=True, eq=False)
class ClientLink:
    """Where the calls of one client go.

    Attributes:
        definition: The service.
        channel: Carries the calls.
        loop: The event loop that the channel belongs to.
        timeout_s: Given by ``with_options``; None when it was not.
        routing: Likewise.
        metadata: Likewise; empty when it was not.
        carries_parts: Whether the channel takes arguments in parts.
        home: Tells whether code runs on the loop.
    """

    definition: ServiceDefinition
    channel: Channel
    loop: asyncio.AbstractEventLoop
    timeout_s: float | None = None
    routing: Routing | None = None
    metadata: Mapping[str, str] = NO_METADATA
    carries_parts: bool = attrs.field(init=False)
    home: HomeLoop = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "home", HomeLoop(self.loop))
        object.__setattr__(self, "carries_parts", self.channel.carries_parts)

    def options(self, default_timeout_s: float | None) -> CallOptions:
        """What travels beside a call that is made now.

        The time is the client's, or else the endpoint's, and never more than what is left of the call that makes
        this one, less a little, so that the error of the slowest service comes first. Metadata of that call go
        along. What a task does that has outlived the call which started it is not bound to that call's time.

        Args:
            default_timeout_s: Seconds of the endpoint's own limit.

        Raises:
            CallTimeoutError: The call that makes this one has no time left.
        """
        timeout_s = default_timeout_s if self.timeout_s is None else self.timeout_s
        metadata = self.metadata
        call = CURRENT_CALL.get()
        if call is not None:
            if call.metadata:
                metadata = {**call.metadata, **metadata}
            if call.deadline is not None and (not call.has_ended or call.is_cancelled):
                left_s = _left_s(call)
                timeout_s = left_s if timeout_s is None else min(timeout_s, left_s)
        if timeout_s is None and self.routing is None and not metadata:
            return DEFAULT_OPTIONS
        return CallOptions(
            timeout_s=timeout_s,
            routing=DEFAULT_OPTIONS.routing if self.routing is None else self.routing,
            metadata=metadata,
        )


def _left_s(call: CallContext) -> float:
    assert call.deadline is not None
    left_s = call.deadline - time.monotonic()
    if left_s <= 0:
        raise CallTimeoutError(call.service, call.endpoint)
    return left_s - min(_MAX_MARGIN_S, left_s * _MARGIN_SHARE)


def link_of(client: object) -> ClientLink | None:
    """What a client knows; None for anything that is no client, such as a fake in a test."""
    link: Any = getattr(type(client), LINK, None)
    return None if link is None else link.__get__(client)


LINK: Final = "__dynamo_link__"
"""Attribute of a client that holds its link: a name no endpoint can have."""
