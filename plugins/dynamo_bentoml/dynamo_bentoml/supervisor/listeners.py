"""The sockets of a run, bound by its supervisor and inherited by workers: a worker that is replaced refuses nobody."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING, Final

from dynamo_core.control.run_directory import identify
from dynamo_core.errors import AddressInUseError, RunDirectoryError, StartError

if TYPE_CHECKING:
    from pathlib import Path

BACKLOG_CONNECTIONS: Final = 2048


class SlotListener:
    """The unix socket of one slot, mode 0600 in the run's private directory.

    Args:
        path: Where it is.

    Raises:
        RunDirectoryError: It cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            path.unlink(missing_ok=True)
            self._socket.bind(str(path))
            path.chmod(0o600)
            self._socket.listen(BACKLOG_CONNECTIONS)
            self._identity = identify(path)
        except OSError as error:
            self._socket.close()
            raise RunDirectoryError(f"cannot make the socket {str(path)!r}: {error.strerror}") from error

    @property
    def is_reachable(self) -> bool:
        """Whether the path still leads to it."""
        return identify(self.path) == self._identity

    def fileno(self) -> int:
        """Its descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it and remove its file. Safe to call twice."""
        if self._socket.fileno() >= 0:
            self._socket.close()
            if self.is_reachable:
                with contextlib.suppress(OSError):
                    self.path.unlink()


class HttpListener:
    """The TCP socket of one service, which all its workers share.

    Args:
        service: Name of the service.
        host: Address to listen on.
        port: Port; 0 takes a free one.
        is_tls: Whether workers speak TLS on it.

    Raises:
        AddressInUseError: The port is taken.
        StartError: The address cannot be listened on for another reason.
    """

    def __init__(self, service: str, *, host: str, port: int, is_tls: bool) -> None:
        self.host = host
        self._scheme = "https" if is_tls else "http"
        self._socket = _listen(service, host, port)
        self.port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        """Where HTTP reaches the service."""
        host = f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host
        return f"{self._scheme}://{host}:{self.port}"

    def fileno(self) -> int:
        """Its descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it. Safe to call twice."""
        self._socket.close()


def _listen(service: str, host: str, port: int) -> socket.socket:
    found: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        found.bind(address)
        found.listen(BACKLOG_CONNECTIONS)
    except OSError as error:
        if found is not None:
            found.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUseError(host, port, service=service) from error
        raise StartError(service, f"cannot listen on {host}:{port}: {error.strerror}") from error
    found.setblocking(False)
    return found
