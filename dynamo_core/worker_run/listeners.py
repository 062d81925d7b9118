"""The sockets of a run, bound by whoever runs it and inherited by workers: a worker that is replaced refuses nobody."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING, Final

import attrs

from dynamo_core.errors import AddressInUseError, RunDirectoryError, StartError

if TYPE_CHECKING:
    from pathlib import Path

    from dynamo_core.config import ServiceConfig

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
        except OSError as error:
            self._socket.close()
            raise RunDirectoryError(f"cannot make the socket {str(path)!r}: {error.strerror}") from error

    def fileno(self) -> int:
        """Its descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it and remove its file. Safe to call twice."""
        if self._socket.fileno() >= 0:
            self._socket.close()
            with contextlib.suppress(OSError):
                self.path.unlink()


class HttpListener:
    """The TCP socket of one service, which all its workers share.

    Args:
        service: Name of the service.
        config: Its configuration, which says where to listen.
        port: Port; 0 takes a free one.

    Raises:
        AddressInUseError: The port is taken.
        StartError: The address cannot be listened on for another reason.

    Attributes:
        config: The service's configuration, with the port as it is.
    """

    def __init__(self, service: str, config: ServiceConfig, port: int) -> None:
        self._socket = _listen(service, config.http.host.strip("[]"), port)
        http = attrs.evolve(config.http, port=self._socket.getsockname()[1])
        self.config = attrs.evolve(config, http=http)

    @property
    def url(self) -> str:
        """Where HTTP reaches the service."""
        http = self.config.http
        scheme = "http" if http.tls_certificate is None else "https"
        host = http.host.strip("[]")
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{http.port}"

    def fileno(self) -> int:
        """Its descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it. Safe to call twice."""
        self._socket.close()


def _listen(service: str, host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(found[4][:2], family=found[0], backlog=BACKLOG_CONNECTIONS)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressInUseError(host, port, service=service) from error
        raise StartError(service, f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    except (UnicodeError, OverflowError) as error:
        raise StartError(service, f"cannot listen on {host}:{port}: {error}") from error
