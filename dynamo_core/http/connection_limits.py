"""What one connection of a client may cost."""

from __future__ import annotations

from typing import Final

import attrs

MAX_TARGET_BYTES: Final = 16 * 1024
MAX_HEADER_FIELDS: Final = 100
MIN_BODY_BYTES_PER_S: Final = 16 * 1024
"""A body may take longer than its time limit as long as it comes at least this fast."""
LINGER_S: Final = 1.0
"""How long a refused client may go on sending before the connection is closed under it."""
SEND_STALL_S: Final = 60.0
"""How long a client may take nothing of an answer before it counts as gone."""


@attrs.frozen(kw_only=True)
class ConnectionLimits:
    """Limits of one connection and of their number.

    Attributes:
        header_timeout_s: Seconds for receiving a request's head.
        body_timeout_s: Seconds for receiving its body, longer while it comes fast enough.
        keep_alive_s: Seconds an idle connection stays open.
        max_header_bytes: Bytes of a head, its target included.
        max_connections: Open connections.
    """

    header_timeout_s: float
    body_timeout_s: float
    keep_alive_s: float
    max_header_bytes: int
    max_connections: int
