"""Who serves a service: as whoever supervises knows it, and as it is pushed to callers.

A membership frame has the framing of a worker's bootstrap: its length in 4 bytes, then msgpack.
It names every worker of the service; callers drop those that it does not name.
It may say why nobody is going to serve: callers then need not wait.
A frame that names no service may tell a worker how long it may take to stop.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from dynamo_core.errors import FrameTooLargeError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_MEMBERSHIP_BYTES: Final = 16 * 1024 * 1024

_LENGTH: Final = struct.Struct("!I")


@attrs.frozen(kw_only=True)
class Member:
    """One worker slot that serves a service.

    Attributes:
        slot: Number of the slot, from 0.
        path: Its unix socket.
        generation: Grows each time the slot gets another worker, or its socket is made anew.
    """

    slot: int
    path: str
    generation: int = 0


class _Body(msgspec.Struct, frozen=True, omit_defaults=True):
    service: str
    members: tuple[tuple[int, str, int], ...]
    refusal: str = ""
    stop_within_s: float | None = None


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Body).decode


def encode_membership(service: str, members: Sequence[Member], *, refusal: str = "") -> bytes:
    """The members of *service* as one frame.

    Args:
        service: Its name.
        members: All of its workers.
        refusal: Why nobody is going to serve it until the next membership says otherwise; empty while calls may wait.
    """
    rows = tuple((member.slot, member.path, member.generation) for member in members)
    body = _encode(_Body(service, rows, refusal))
    return _LENGTH.pack(len(body)) + body


def encode_stop_time(seconds: float) -> bytes:
    """What tells a worker that it has only so long to stop, sent before it is asked to."""
    body = _encode(_Body("", (), stop_within_s=seconds))
    return _LENGTH.pack(len(body)) + body


class MembershipReader:
    """Reads membership frames out of a byte stream, however it is cut.

    Attributes:
        stop_told: Seconds that the worker may take to stop, as it was last told, and when that was on the clock of
            ``time.monotonic()``; None while nobody has said.
    """

    def __init__(self) -> None:
        self.stop_told: tuple[float, float] | None = None
        self._pending = bytearray()

    def feed(self, data: bytes | bytearray | memoryview) -> list[tuple[str, tuple[Member, ...], str]]:
        """Take in what was received.

        Returns:
            Service, members and refusal of every frame that is now complete, in order.

        Raises:
            ProtocolError: These are no membership frames; the reader is of no more use.
        """
        self._pending += data
        found = []
        while (body := self._next_body()) is not None:
            try:
                membership = _decode(body)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
                raise ProtocolError(f"a membership frame cannot be read: {exc}") from exc
            if membership.stop_within_s is not None:
                self.stop_told = membership.stop_within_s, time.monotonic()
                continue
            members = tuple(
                Member(slot=slot, path=path, generation=generation)
                for slot, path, generation in membership.members
            )
            found.append((membership.service, members, membership.refusal))
        return found

    def _next_body(self) -> bytes | None:
        if len(self._pending) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._pending)
        if length > LARGEST_MEMBERSHIP_BYTES:
            raise FrameTooLargeError(length, LARGEST_MEMBERSHIP_BYTES)
        end = _LENGTH.size + length
        if len(self._pending) < end:
            return None
        body = bytes(self._pending[_LENGTH.size : end])
        del self._pending[:end]
        return body
