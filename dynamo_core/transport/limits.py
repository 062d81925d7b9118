"""What one side of a connection allows, and how long it waits."""

from __future__ import annotations

from typing import Final

import attrs
from attrs.validators import ge, gt

MIB: Final = 1024 * 1024


@attrs.frozen(kw_only=True)
class TransportLimits:
    """Limits of a server or a channel; each side tells its peer those that the peer has to keep.

    Attributes:
        max_frame_bytes: Longest frame this side reads, at least 4096; a longer one is refused before its body is
            read, and a value that would need one is refused before it is sent.
        stream_window_items: Items of one stream that may be on their way to this side at once, at least 1.
        stream_window_bytes: Bytes of them, at least 1; the last item may pass it.
        handshake_timeout_s: Seconds a peer may take to answer once it is there, above 0.
        unavailable_timeout_s: Seconds a call without a deadline waits for a worker to be there, at least 0.
    """

    max_frame_bytes: int = attrs.field(default=256 * MIB, validator=ge(4096))
    stream_window_items: int = attrs.field(default=1024, validator=ge(1))
    stream_window_bytes: int = attrs.field(default=MIB, validator=ge(1))
    handshake_timeout_s: float = attrs.field(default=5.0, converter=float, validator=gt(0))
    unavailable_timeout_s: float = attrs.field(default=30.0, converter=float, validator=ge(0))


DEFAULT_LIMITS: Final = TransportLimits()
