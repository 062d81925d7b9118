"""Who is on the other end of a unix socket, as the kernel knows it."""

from __future__ import annotations

import os
import socket
import struct
from typing import Final

_UCRED: Final = struct.Struct("iII")
_XUCRED: Final = struct.Struct("II")
_LOCAL_PEERCRED: Final = 1  # macOS and the BSDs; Python has no name for it
_SOL_LOCAL: Final = 0


def peer_uid(peer: socket.socket) -> int:
    """User id of the process that made the other end, or listens on it.

    Raises:
        OSError: The kernel does not say.
    """
    if hasattr(socket, "SO_PEERCRED"):
        _, uid, _ = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        return int(uid)
    _, uid = _XUCRED.unpack(peer.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size))
    return int(uid)


def is_own_user(peer: socket.socket) -> bool:
    """Whether the other end belongs to the user of this process."""
    try:
        return peer_uid(peer) == os.geteuid()
    except OSError:
        return False
