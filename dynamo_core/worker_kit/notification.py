"""Tell a supervisor how a worker is, by the sd_notify convention (the manual page sd_notify(3))."""

from __future__ import annotations

import logging
import os
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

NOTIFY_VARIABLE: Final = "NOTIFY_SOCKET"


def notify(
    state: str | Mapping[str, str], *, wait_s: float = 1.0, environ: Mapping[str, str] | None = None
) -> bool:
    """Tell the supervisor something; nothing happens in a process that no supervisor listens to.

    Args:
        state: ``"READY=1"``, several such lines, or the same as a mapping.
        wait_s: Seconds to wait while the supervisor's queue is full; 0 does not wait, so that it can be called on an
            event loop.
        environ: Environment to look for ``NOTIFY_SOCKET`` in; None means this process's.

    Returns:
        Whether it was handed over.

    Raises:
        ValueError: A key or value cannot be sent.
    """
    message = (
        state if isinstance(state, str) else "\n".join(_line(key, value) for key, value in state.items())
    )
    address = (os.environ if environ is None else environ).get(NOTIFY_VARIABLE, "")
    if not address.startswith(("/", "@")):
        return False
    target = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sending:
        sending.settimeout(wait_s)
        try:
            sending.connect(target)
            sending.send(message.encode())
        except (OSError, UnicodeError) as error:
            logger.debug("cannot notify %s: %s", address, error)
            return False
    return True


def _line(key: str, value: str) -> str:
    if "\n" in key or "=" in key or "\n" in value:
        raise ValueError(f"a notification's key and value must be of one line, got {key!r} and {value!r}")
    return f"{key}={value}"
