"""The unix sockets by which other processes reach the workers of a served graph."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from dynamo_core.errors import RunDirectoryError
from dynamo_core.inprocess.ingress import Ingress
from dynamo_core.transport import ServiceServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dynamo_core.control import RunDirectory
    from dynamo_core.host import Host
    from dynamo_core.provider import BoundGraph, ServiceInterface

_BACKLOG_CONNECTIONS: Final = 2048
_LAST_ANSWERS_S: Final = 1.0


class SlotSockets:
    """Keeps one listening socket for each slot that has a worker.

    A worker and the one that takes its place share it, so that a restart refuses no connection.

    Args:
        graph: What is served.
        directory: The run's directory, which the caller owns.
    """

    def __init__(self, graph: BoundGraph, directory: RunDirectory) -> None:
        self._directory = directory
        self._numbers = {service.name: number for number, service in enumerate(graph.services)}
        self._slots: dict[tuple[str, int], _SlotSocket] = {}

    def ingresses(self, service: ServiceInterface, slot: int, generation: int) -> list[Ingress]:
        """A way in through the socket of that slot, which is made when it has none.

        Raises:
            RunDirectoryError: The socket cannot be made.
        """
        key = (service.name, slot)
        found = self._slots.get(key)
        if found is None:
            path = self._directory.socket_path(self._numbers[service.name], slot)
            found = self._slots[key] = _SlotSocket(path, lambda: self._slots.pop(key))
        return [SocketIngress(found, self._directory.run_id, generation)]


class _SlotSocket:
    """One bound socket, closed and removed with its last user."""

    def __init__(self, path: Path, forget: Callable[[], object]) -> None:
        self.path = path
        self._forget = forget
        self._users = 0
        self._socket = _bind(path)

    def take(self) -> socket.socket:
        """A copy of it, for one more user."""
        self._users += 1
        return self._socket.dup()

    def leave(self) -> None:
        """One user less."""
        self._users -= 1
        if self._users == 0:
            self._forget()
            self._socket.close()
            self.path.unlink(missing_ok=True)


class SocketIngress(Ingress):
    """Serves all endpoints of one worker on its slot's socket, by the transport.

    Args:
        slot: The socket.
        run_id: Id of the run, which callers must name.
        generation: How many workers the slot has had, this one included.
    """

    def __init__(self, slot: _SlotSocket, run_id: str, generation: int) -> None:
        self.path = str(slot.path)
        self._slot: _SlotSocket | None = slot
        self._listener = slot.take()
        self._run_id = run_id
        self._generation = generation
        self._server: ServiceServer | None = None

    async def open(self, host: Host) -> None:
        """Accept connections."""
        self._server = ServiceServer(host, run_id=self._run_id, generation=self._generation)
        await self._server.start(self._listener)

    def stop_accepting(self, grace_s: float) -> None:
        """Accept no more connections, and tell callers to take new calls elsewhere."""
        if self._server is not None:
            self._server.stop_accepting()
            self._server.go_away()

    async def aclose(self) -> None:
        """Let the last answers reach their callers, then close."""
        slot, self._slot = self._slot, None
        if slot is None:
            return
        try:
            if self._server is not None:
                await self._server.drain(_LAST_ANSWERS_S)
                await self._server.aclose()
        finally:
            self._listener.close()
            slot.leave()


def _bind(path: Path) -> socket.socket:
    """A listening socket for this user only; the run directory lets nobody else in before its mode is set."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(_BACKLOG_CONNECTIONS)
    except OSError as exc:
        listener.close()
        raise RunDirectoryError(f"cannot make the socket {str(path)!r}: {exc.strerror}") from exc
    return listener
