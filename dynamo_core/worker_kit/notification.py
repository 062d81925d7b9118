"""Tell a supervisor how a worker is, by the sd_notify convention."""

from __future__ import annotations

import os
import socket
from typing import Final

VARIABLE: Final = "NOTIFY_SOCKET"


class Notifier:
    """Sends datagrams to the socket that ``NOTIFY_SOCKET`` names; silent when nothing listens.

    Args:
        address: The socket; None takes the variable's value.
    """

    def __init__(self, address: str | None = None) -> None:
        found = os.environ.get(VARIABLE, "") if address is None else address
        self._address = "\0" + found[1:] if found.startswith("@") else found

    def send(self, **fields: str) -> bool:
        """Send fields such as ``READY="1"``; whether they were handed over."""
        if not self._address:
            return False
        message = "\n".join(f"{key}={' '.join(value.splitlines())}" for key, value in fields.items())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(1.0)
            try:
                sender.connect(self._address)
                sender.send(message.encode())
            except OSError:
                return False
        return True
