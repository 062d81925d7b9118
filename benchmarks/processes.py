"""Processes and what descends from them."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path


def processes_of(pid: int) -> list[int]:
    """A process and all that descend from it, itself first."""
    found: list[int] = []
    unseen = [pid]
    while unseen:
        found.append(unseen.pop())
        for children in Path(f"/proc/{found[-1]}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                unseen += map(int, children.read_text("ascii").split())
    return found


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
