"""What a worker is told when it starts.

A supervisor passes its workers one end of a socket pair.
The first frame on it is the bootstrap: configuration and secrets, which so stand in no command line and no
environment; the frames after it are memberships.
A worker can only read from it, and its end of file means that the supervisor is gone.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, Self

import attrs
import msgspec

from dynamo_core.errors import ProtocolError

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

LARGEST_BOOTSTRAP_BYTES: Final = 64 * 1024 * 1024

_LENGTH: Final = struct.Struct("!I")


@attrs.frozen(kw_only=True)
class Bootstrap:
    """What one worker needs to know to serve its slot.

    Attributes:
        run_id: Id of the run.
        graph: Name of the graph.
        service: Name of the service.
        slot: Number of the slot.
        generation: How many workers the slot has had, this one included.
        target: How the service's class is imported (``ImportTarget.to_data``).
        config: The service's configuration (``ServiceConfig.to_data``).
        dependencies: By attribute: the bound service's name and how its class is imported.
        remote_runs: Ids of other runs, by the names of services that belong to them.
        addresses: Where HTTP reaches the service of a dependency that leads out of the run, by attribute.
        listen_fd: Descriptor of the slot's listening socket.
        http_fd: Descriptor of the service's HTTP socket; None when it has none.
        sys_path: The caller's import path.
        secrets: The service's secrets, by variable.
        log_level: Level of this project's own log records.
        reports_imports: Whether the worker tells which of the user's files it has imported.
    """

    run_id: str
    graph: str
    service: str
    slot: int
    generation: int = 0
    target: Mapping[str, Any]
    config: Mapping[str, Any]
    dependencies: Mapping[str, tuple[str, Mapping[str, Any]]] = attrs.field(factory=dict)
    remote_runs: Mapping[str, str] = attrs.field(factory=dict)
    addresses: Mapping[str, str] = attrs.field(factory=dict)
    listen_fd: int
    http_fd: int | None = None
    sys_path: tuple[str, ...] = ()
    secrets: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    log_level: str = "warning"
    reports_imports: bool = False

    def encode(self) -> bytes:
        """The bootstrap as one frame: msgpack, or JSON where a path or a secret is not UTF-8."""
        data = attrs.asdict(self, recurse=False)
        try:
            body = msgspec.msgpack.encode(data)
        except UnicodeEncodeError:
            import json  # seldom needed

            body = json.dumps(data).encode("ascii")
        return _LENGTH.pack(len(body)) + body

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """The reverse of :meth:`encode`, without the length."""
        if body.startswith(b"{"):
            import json  # as above

            data = json.loads(body)
        else:
            data = msgspec.msgpack.decode(body)
        data["sys_path"] = tuple(data["sys_path"])
        return cls(**data)


def read_bootstrap(source: socket.socket) -> Bootstrap:
    """Read the first frame of *source*, blocking.

    Raises:
        ProtocolError: The supervisor is gone, or sent something else.
    """
    (length,) = _LENGTH.unpack(_read_exactly(source, _LENGTH.size))
    if length > LARGEST_BOOTSTRAP_BYTES:
        raise ProtocolError(
            f"a bootstrap of {length} bytes passes the limit of {LARGEST_BOOTSTRAP_BYTES} bytes"
        )
    return Bootstrap.decode(_read_exactly(source, length))


def _read_exactly(source: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        data = source.recv(size - len(received))
        if not data:
            raise ProtocolError("the supervisor closed the bootstrap before it was complete")
        received += data
    return bytes(received)
