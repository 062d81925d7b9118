"""What stands in the bodies of frames. Pure, without I/O."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import msgspec

from dynamo_core.errors import ProtocolError, UnsupportedValueError
from dynamo_core.transport.frames import CALL, HEADER_BYTES, LENGTH_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.transport.frames import Buffer

PROTOCOL: Final = "dynamo"
VERSION: Final = 1

MAX_OPEN_CALLS: Final = 4096
"""Calls that may be open on one connection at once."""

SMALLEST_LIMIT_BYTES: Final = 4096
"""What every side reads at least; room for an error."""

MAX_METADATA_BYTES: Final = 0xFFFF
LARGEST_NAME_BYTES: Final = 0xFF
NO_TIMEOUT: Final = 0
LONGEST_TIMEOUT_MS: Final = 0xFFFF_FFFF

CREDIT_BODY: Final = struct.Struct("!II")
_CALL_FRAME: Final = struct.Struct("!IBBIIHB")
_CALL_BODY: Final = struct.Struct("!IHB")
_CALL_OVERHEAD_BYTES: Final = _CALL_FRAME.size - LENGTH_BYTES

T = TypeVar("T", bound=msgspec.Struct)


class _Greeting(msgspec.Struct):
    protocol: str
    version: int


class Hello(msgspec.Struct, kw_only=True, frozen=True):
    """First frame of a connection, from the caller.

    Attributes:
        run_id: Id of the run that the caller belongs to.
        service: Service that it wants.
        slot: Slot that it wants; None takes any.
        max_frame_bytes: Longest frame that it reads.
        stream_window_items: Credit of each stream at its beginning, in items.
        stream_window_bytes: The same in bytes.
        passes_page: Whether a begun page comes with this frame.
        takes_tails: Whether it reads frames with tails.
    """

    protocol: str = PROTOCOL
    version: int = VERSION
    run_id: str
    service: str
    slot: int | None
    max_frame_bytes: Annotated[int, msgspec.Meta(ge=SMALLEST_LIMIT_BYTES)]
    stream_window_items: Annotated[int, msgspec.Meta(ge=1)]
    stream_window_bytes: Annotated[int, msgspec.Meta(ge=1)]
    passes_page: bool = False
    takes_tails: bool = False


class Welcome(msgspec.Struct, kw_only=True, frozen=True):
    """Answer of a worker that takes the connection.

    Attributes:
        run_id: Id of the run that the worker belongs to.
        service: Service that it serves.
        slot: Its slot.
        generation: How many workers the slot has had, as its supervisor counts.
        pid: Its process, for messages.
        max_frame_bytes: Longest frame that it reads.
        marks_page: Whether it marks begun calls in the page; else a BEGIN frame tells of each.
        takes_tails: Whether it reads frames with tails.
    """

    protocol: str = PROTOCOL
    version: int = VERSION
    run_id: str
    service: str
    slot: int
    generation: int
    pid: int
    max_frame_bytes: Annotated[int, msgspec.Meta(ge=SMALLEST_LIMIT_BYTES)]
    marks_page: bool
    takes_tails: bool = False


class Refusal(msgspec.Struct, kw_only=True, frozen=True):
    """Answer of a worker that does not take the connection.

    Attributes:
        code: ``version``, ``run``, ``service``, ``slot``, ``stopping`` or ``protocol``.
        message: One line for people.
    """

    protocol: str = PROTOCOL
    version: int = VERSION
    code: str
    message: str


encode: Final = msgspec.msgpack.Encoder().encode
_decode_greeting: Final = msgspec.msgpack.Decoder(_Greeting).decode
_decode_metadata: Final = msgspec.msgpack.Decoder(dict[str, str]).decode
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError)


class VersionMismatchError(ProtocolError):
    """The peer speaks another version of the wire format."""


def decode_greeting(message_type: type[T], body: Buffer) -> T:
    """Read the body of a handshake's frame.

    Raises:
        VersionMismatchError: It is of another version.
        ProtocolError: It is none.
    """
    try:
        found = _decode_greeting(body)
    except _UNREADABLE as exc:
        raise ProtocolError(f"the handshake cannot be read: {exc}") from exc
    if found.protocol != PROTOCOL:
        raise ProtocolError(f"the peer speaks {found.protocol[:40]!r}, wanted {PROTOCOL!r}")
    if found.version != VERSION:
        raise VersionMismatchError(
            f"the peer speaks version {found.version} of the wire format, this side {VERSION}: "
            "use one version of dynamo-core in all processes of a run"
        )
    try:
        return msgspec.msgpack.decode(body, type=message_type)
    except _UNREADABLE as exc:
        raise ProtocolError(f"the handshake cannot be read: {exc}") from exc


def encode_metadata(metadata: Mapping[str, str]) -> bytes:
    """Metadata of a call, for :func:`encode_call_head`; empty for none.

    Raises:
        UnsupportedValueError: It is no mapping of texts, or too long.
    """
    if not metadata:
        return b""
    pairs: dict[Any, Any] = dict(metadata)
    for key, value in pairs.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise UnsupportedValueError(
                f"metadata must map texts to texts, got {key!r}: {type(value).__name__}"
            )
    try:
        encoded = encode(pairs)
    except UnicodeEncodeError as exc:
        raise UnsupportedValueError(f"metadata must be text that UTF-8 can carry: {exc}") from exc
    if len(encoded) > MAX_METADATA_BYTES:
        raise UnsupportedValueError(
            f"the metadata of a call has {len(encoded)} bytes, above the limit of {MAX_METADATA_BYTES}"
        )
    return encoded


def timeout_to_ms(timeout_s: float | None) -> int:
    """A time limit as it travels: at least 1 ms, rounded up; 0 for none."""
    if timeout_s is None:
        return NO_TIMEOUT
    if timeout_s >= LONGEST_TIMEOUT_MS / 1000:
        return NO_TIMEOUT if timeout_s == float("inf") else LONGEST_TIMEOUT_MS
    return max(1, -int(-timeout_s * 1000 // 1))


def encode_call_head(  # noqa: PLR0913, PLR0917  # the hot path: no object for each call
    number: int, flags: int, endpoint: bytes, timeout_ms: int, metadata: bytes, arguments_bytes: int
) -> bytes:
    """What stands before the arguments of a call."""
    name_bytes = len(endpoint)
    metadata_bytes = len(metadata)
    return (
        _CALL_FRAME.pack(
            _CALL_OVERHEAD_BYTES + name_bytes + metadata_bytes + arguments_bytes,
            CALL,
            flags,
            number,
            timeout_ms,
            metadata_bytes,
            name_bytes,
        )
        + endpoint
        + metadata
    )


def encode_call_body(endpoint: bytes, timeout_ms: int, metadata: bytes) -> bytes:
    """What stands before the arguments in the body of a call."""
    return _CALL_BODY.pack(timeout_ms, len(metadata), len(endpoint)) + endpoint + metadata


def call_frame_bytes(endpoint: bytes, metadata: bytes, arguments_bytes: int) -> int:
    """Length of a call's frame, as its limit counts."""
    return _CALL_OVERHEAD_BYTES + len(endpoint) + len(metadata) + arguments_bytes


def parse_call(body: memoryview) -> tuple[bytes, int, Mapping[str, str] | None, memoryview]:
    """Take a CALL's body apart.

    Returns:
        Endpoint, time limit in ms (0 for none), metadata (None for none), arguments.

    Raises:
        ProtocolError: It is too short, or its metadata cannot be read.
    """
    try:
        timeout_ms, metadata_bytes, name_bytes = _CALL_BODY.unpack_from(body)
    except struct.error as exc:
        raise ProtocolError(
            f"a call's body must have at least {_CALL_BODY.size} bytes, got {len(body)}"
        ) from exc
    start = _CALL_BODY.size + name_bytes
    name = bytes(body[_CALL_BODY.size : start])
    if not metadata_bytes:
        if len(name) != name_bytes:
            raise ProtocolError("a call's body ends within the endpoint's name")
        return name, timeout_ms, None, body[start:]
    end = start + metadata_bytes
    if end > len(body):
        raise ProtocolError("a call's body ends within its metadata")
    try:
        metadata = _decode_metadata(body[start:end])
    except _UNREADABLE as exc:
        raise ProtocolError(f"a call's metadata cannot be read: {exc}") from exc
    return name, timeout_ms, metadata, body[end:]


def count_items(body: Buffer) -> int:
    """How many items an ITEMS frame's array has, by its first bytes.

    Raises:
        ProtocolError: It is no array.
    """
    first = body[0] if len(body) else 0
    if first & 0xF0 == 0x90:
        return first & 0x0F
    if first == 0xDC and len(body) >= 3:
        return int.from_bytes(body[1:3], "big")
    if first == 0xDD and len(body) >= 5:
        return int.from_bytes(body[1:5], "big")
    raise ProtocolError("the body of an ITEMS frame must be a msgpack array")


def parse_credit(body: Buffer) -> tuple[int, int]:
    """Items and bytes that a CREDIT frame allows.

    Raises:
        ProtocolError: It has the wrong size.
    """
    if len(body) != CREDIT_BODY.size:
        raise ProtocolError(f"a CREDIT frame has a body of {CREDIT_BODY.size} bytes, got {len(body)}")
    items, size_bytes = CREDIT_BODY.unpack(body)
    return items, size_bytes


assert HEADER_BYTES + _CALL_BODY.size == _CALL_FRAME.size
