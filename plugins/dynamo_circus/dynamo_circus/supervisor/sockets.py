"""The listening sockets of a run: one per worker slot, and one for HTTP per service that has routes.

They are bound by the arbiter, once, and inherited by workers: a worker that is replaced refuses no connection.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from typing import TYPE_CHECKING, Final

from circus.sockets import CircusSocket as _CircusSocket

from dynamo_core.control.run_directory import check_socket_path, identify
from dynamo_core.errors import AddressInUseError, RunDirectoryError, StartError

if TYPE_CHECKING:
    from pathlib import Path

BACKLOG_CONNECTIONS: Final = 2048


class CircusSocket(_CircusSocket):  # type: ignore[misc]  # circus has no types
    """A socket that the arbiter binds and workers inherit, closed in every other child.

    Args:
        name: Its name among the arbiter's sockets.
        service: Service it belongs to.
        options: Keyword arguments of Circus's own class.
    """

    def __init__(self, name: str, *, service: str, **options: object) -> None:
        super().__init__(name=name, backlog=BACKLOG_CONNECTIONS, **options)
        self.service = service
        self.set_inheritable(False)  # only a worker's own sockets are passed on, by pass_fds

    def __hash__(self) -> int:
        return id(self)


class SlotSocket(CircusSocket):
    """The unix socket of one worker slot, mode 0600.

    It is removed from the file system on close only if this object made it.
    """

    def __init__(self, name: str, *, service: str, slot: int, path: Path) -> None:
        check_socket_path(path)
        super().__init__(name, service=service, path=str(path), umask=0o177)
        self.slot = slot
        self._identity: tuple[int, int] | None = None

    def bind_and_listen(self) -> None:
        """Bind under a closed umask, which is put back whatever happens, and listen."""
        before = os.umask(0o177)
        try:
            self.bind(self.path)
        except OSError as error:
            raise RunDirectoryError(f"cannot bind the slot socket {self.path!r}: {error.strerror}") from error
        finally:
            os.umask(before)
        self.setblocking(False)
        self.listen(self.backlog)
        self._identity = identify(self.path)

    @property
    def is_reachable(self) -> bool:
        """Whether its path still leads to it."""
        return self._identity is not None and identify(self.path) == self._identity

    def close(self) -> None:
        """Close, and remove the path if it still leads to this socket."""
        is_ours = self.is_reachable
        self._identity = None
        socket.socket.close(self)
        if is_ours:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)  # noqa: PTH108  # Circus keeps it as a text


class HttpSocket(CircusSocket):
    """The TCP socket of one service, shared by its workers, which speak TLS on it if *is_tls*."""

    def __init__(self, name: str, *, service: str, host: str, port: int, is_tls: bool = False) -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        except (OSError, UnicodeError, OverflowError) as error:
            raise StartError(service, f"cannot listen on {host}:{port}: {error}") from error
        self._address = found[4]
        self.asked_host = host
        self._scheme = "https" if is_tls else "http"
        super().__init__(name, service=service, host=str(found[4][0]), port=port, family=found[0])

    def bind_and_listen(self) -> None:
        """Bind and listen.

        Raises:
            AddressInUseError: The port is taken.
            StartError: The address cannot be listened on for another reason.
        """
        port = int(self._address[1])
        try:
            if self.family == socket.AF_INET6:
                self.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self.bind(self._address)
            self.setblocking(False)
            self.listen(self.backlog)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise AddressInUseError(self.asked_host, port, service=self.service) from error
            raise StartError(
                self.service, f"cannot listen on {self.asked_host}:{port}: {error.strerror}"
            ) from error
        self.host, self.port = self.getsockname()[:2]

    @property
    def url(self) -> str:
        """Where HTTP reaches the service."""
        host = self.asked_host
        shown = f"[{host}]" if ":" in host else host
        return f"{self._scheme}://{shown}:{self.port}"
