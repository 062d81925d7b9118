"""The control socket of a run, from the run's side; for any provider."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Final

from dynamo_core.config import ServiceConfig
from dynamo_core.control.run_directory import identify
from dynamo_core.control.verbs import ControlVerbs
from dynamo_core.errors import RunDirectoryError
from dynamo_core.host import Host
from dynamo_core.inspection import define_service
from dynamo_core.transport import ServiceServer, TransportLimits

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from dynamo_core.control.run_directory import RunDirectory
    from dynamo_core.control.verbs import ControlledRun

LARGEST_REQUEST_BYTES: Final = 256 * 1024
BACKLOG_CONNECTIONS: Final = 64
DRAIN_S: Final = 1.0


class ControlServer:
    """Takes commands for one run on the socket in its directory.

    The socket has mode 0600 in a directory of mode 0700, and the transport looks at who is on the other end.
    A request is one of :class:`dynamo_core.control.verbs.ControlVerbs`; anything else is refused, and ends its
    connection where it is not even a request.

    Args:
        run: What is controlled.
        directory: The run's directory, which the caller owns.
    """

    def __init__(self, run: ControlledRun, directory: RunDirectory) -> None:
        self._directory = directory
        self._host = Host(
            define_service(ControlVerbs),
            slot=0,
            config=ServiceConfig(),
            clients={"run": run},
            run_id=directory.run_id,
        )
        self._server: ServiceServer | None = None
        self._identity: tuple[int, int] | None = None

    async def open(self) -> None:
        """Bind the socket and take commands.

        Raises:
            RunDirectoryError: The socket cannot be made.
        """
        await self._host.start()
        await self._listen()

    @property
    def is_reachable(self) -> bool:
        """Whether it takes commands, and the path still leads to its socket."""
        return self._server is not None and identify(self._directory.control_socket_path) == self._identity

    def reopen(self) -> None:
        """Bind the socket anew, after it or the run's directory was removed; connections stay.

        Raises:
            RunDirectoryError: The socket cannot be made.
        """
        if self._server is not None:
            self._server.relisten(self._bind())

    async def aclose(self) -> None:
        """Take no more commands; those under way get a second to end. Safe to call twice, and unopened."""
        if self._server is not None:
            await self._close_server()
            await self._host.stop()

    async def __aenter__(self) -> ControlServer:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _listen(self) -> None:
        limits = TransportLimits(max_frame_bytes=LARGEST_REQUEST_BYTES)
        server = ServiceServer(self._host, run_id=self._directory.run_id, limits=limits)
        listener = self._bind()
        try:
            await server.start(listener)
        except BaseException:
            listener.close()
            raise
        self._server = server

    def _bind(self) -> socket.socket:
        path = self._directory.control_socket_path
        listener = _bind(path)
        self._identity = identify(path)
        return listener

    async def _close_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop_accepting()
            server.go_away()
            await server.drain(DRAIN_S)
            await server.aclose()


def _bind(path: Path) -> socket.socket:
    """A listening socket at *path*, for this user only.

    The directory is closed to everybody else, so nobody can be quicker than the change of mode; the umask, which
    belongs to the whole process, is left alone.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        path.unlink(missing_ok=True)
        os.fchmod(listener.fileno(), 0o600)  # Linux binds with this mode, so that it is never wider
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(BACKLOG_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise RunDirectoryError(f"cannot make the control socket {str(path)!r}: {error.strerror}") from error
    return listener
