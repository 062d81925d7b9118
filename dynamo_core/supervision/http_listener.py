"""The TCP socket of a service, bound once and shared by its workers: a worker that is replaced refuses nobody.

Nothing here needs what only POSIX has.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Final

import attrs

from dynamo_core.errors import AddressInUseError, StartError

if TYPE_CHECKING:
    from dynamo_core.config import HttpConfig

BACKLOG_CONNECTIONS: Final = 2048


class HttpListener:
    """The TCP socket of one service, which all its workers share.

    Args:
        service: Name of the service.
        http: Where to listen, and whether workers speak TLS there.
        port: Port to listen on, whatever *http* says; 0 takes a free one.

    Raises:
        AddressInUseError: The port is taken.
        StartError: The address cannot be listened on for another reason.

    Attributes:
        service: Name of the service.
        http: As it was asked for, with the port as it is.
    """

    def __init__(self, service: str, http: HttpConfig, port: int) -> None:
        self.service = service
        self._socket = _listen(service, http.host, port)
        self.http = attrs.evolve(http, port=self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Where HTTP reaches the service."""
        scheme = "http" if self.http.tls_certificate is None else "https"
        host = self.http.host.strip("[]")
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.http.port}"

    def dup(self) -> socket.socket:
        """A copy of the socket, which the caller closes."""
        return self._socket.dup()

    def fileno(self) -> int:
        """Its descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it; copies go on. Safe to call twice."""
        self._socket.close()


def http_port(http: HttpConfig, *, is_entry: bool) -> int:
    """The port that a service asks for; all but the entry service take a free one (0) unless they are told one."""
    usual = attrs.fields(type(http)).port.default
    return 0 if http.port == usual and not is_entry else http.port


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
        raise StartError(service, f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    except (UnicodeError, OverflowError) as error:
        if found is not None:
            found.close()
        raise StartError(service, f"cannot listen on {host}:{port}: {error}") from error
    found.setblocking(False)
    return found
