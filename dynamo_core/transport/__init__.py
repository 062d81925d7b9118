"""Calls between processes of one machine, over unix sockets.

It takes a listening socket and a Host, or addresses, and knows no supervisor.
``docs/reference/wire-format.md`` specifies what goes over the wire.

Names are imported when they are first used: a supervisor that tells who serves what needs neither end of a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.lazy_names import lazy_names

if TYPE_CHECKING:
    from dynamo_core.transport.json_calls import call_json
    from dynamo_core.transport.limits import TransportLimits
    from dynamo_core.transport.membership import (
        Member,
        MembershipReader,
        encode_membership,
        encode_stop_time,
    )
    from dynamo_core.transport.server import ServiceServer
    from dynamo_core.transport.slot_channel import SlotChannel

_MODULES = {
    "Member": ".membership",
    "MembershipReader": ".membership",
    "ServiceServer": ".server",
    "SlotChannel": ".slot_channel",
    "TransportLimits": ".limits",
    "call_json": ".json_calls",
    "encode_membership": ".membership",
    "encode_stop_time": ".membership",
}

__all__ = [
    "Member",
    "MembershipReader",
    "ServiceServer",
    "SlotChannel",
    "TransportLimits",
    "call_json",
    "encode_membership",
    "encode_stop_time",
]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
