"""Calls between processes of one machine, over unix sockets.

It takes a listening socket and a Host, or addresses, and knows no supervisor.
``docs/reference/wire-format.md`` specifies what goes over the wire.
"""

from __future__ import annotations

from dynamo_core.transport.json_calls import call_json
from dynamo_core.transport.limits import TransportLimits
from dynamo_core.transport.membership import Member, MembershipReader, encode_membership
from dynamo_core.transport.server import ServiceServer
from dynamo_core.transport.slot_channel import SlotChannel

__all__ = [
    "Member",
    "MembershipReader",
    "ServiceServer",
    "SlotChannel",
    "TransportLimits",
    "call_json",
    "encode_membership",
]
