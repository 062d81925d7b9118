"""What a worker of this provider is told beside the bootstrap: one frame after it, with the same framing."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Self

import attrs
import msgspec

from dynamo_core.errors import ProtocolError

if TYPE_CHECKING:
    import socket

LARGEST_ORDERS_BYTES: Final = 16 * 1024 * 1024

_LENGTH: Final = struct.Struct("!I")


@attrs.frozen(kw_only=True)
class WorkerOrders:
    """How a worker is a BentoML service.

    Attributes:
        identifier: What ``bentoml serve`` was asked to serve; empty when the class is imported by itself.
        arguments: Arguments of the Bento.
        elsewhere: Services that run elsewhere by attribute: address, name there, and how a class with its
            endpoints is imported.
        is_entry: Whether the service is the graph's entry.
        access_log: Whether every HTTP request is logged.
    """

    identifier: str = ""
    arguments: Mapping[str, Any] = attrs.field(factory=dict)
    elsewhere: Mapping[str, tuple[str, str, Mapping[str, Any]]] = attrs.field(factory=dict)
    is_entry: bool = False
    access_log: bool = False

    def encode(self) -> bytes:
        """The orders as one frame."""
        body = msgspec.msgpack.encode(attrs.asdict(self, recurse=False))
        return _LENGTH.pack(len(body)) + body

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """The reverse of :meth:`encode`, without the length."""
        return cls(**msgspec.msgpack.decode(body))


def read_orders(source: socket.socket) -> WorkerOrders:
    """Read the frame after the bootstrap, blocking.

    Raises:
        ProtocolError: The supervisor is gone, or sent something else.
    """
    (length,) = _LENGTH.unpack(_read_exactly(source, _LENGTH.size))
    if length > LARGEST_ORDERS_BYTES:
        raise ProtocolError(f"orders of {length} bytes pass the limit of {LARGEST_ORDERS_BYTES} bytes")
    return WorkerOrders.decode(_read_exactly(source, length))


def _read_exactly(source: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        data = source.recv(size - len(received))
        if not data:
            raise ProtocolError("the supervisor closed the channel before its orders were complete")
        received += data
    return bytes(received)
