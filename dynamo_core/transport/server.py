"""The worker's side: accepts connections on a slot's socket and has a host answer their calls."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from typing import TYPE_CHECKING, Final

from dynamo_core.accepting import Acceptor
from dynamo_core.errors import HandshakeError, ProtocolError
from dynamo_core.transport.begun import BegunMarks
from dynamo_core.transport.handshake import Greeter, mismatch, send_answer
from dynamo_core.transport.limits import DEFAULT_LIMITS, TransportLimits
from dynamo_core.transport.messages import Refusal, VersionMismatchError, Welcome
from dynamo_core.transport.peer_credentials import is_own_user
from dynamo_core.transport.served_endpoint import ServedEndpoint
from dynamo_core.transport.server_connection import ServerConnection

if TYPE_CHECKING:
    import socket

    from dynamo_core.host import Host
    from dynamo_core.transport.messages import Hello

logger = logging.getLogger(__name__)

CLEAN_UP_S: Final = 5.0
"""How long cancelled calls may take to end."""

LAST_WRITE_S: Final = 1.0
"""How long callers may take to read the last answers."""

UNSENT_CHECK_S: Final = 0.005


class ServiceServer:
    """Serves the endpoints of a host on a listening unix socket.

    Used from one event loop. In order: :meth:`start`, :meth:`stop_accepting`, :meth:`go_away`, :meth:`drain`,
    :meth:`aclose`; only the last one must be called.

    Args:
        host: Runs the endpoints.
        run_id: Id of the run; callers of another run are refused.
        generation: How many workers the slot has had, as its supervisor counts.
        limits: Of this side.

    Attributes:
        host: Runs the endpoints.
        limits: Of this side.
        endpoints: The host's endpoints by their name's bytes.
        is_draining: Whether somebody wants to hear of every call that ends.
    """

    def __init__(
        self, host: Host, *, run_id: str, generation: int = 0, limits: TransportLimits = DEFAULT_LIMITS
    ) -> None:
        self.host = host
        self.limits = limits
        self.endpoints = {
            hosted.definition.name.encode(): ServedEndpoint(host.name, hosted) for hosted in host.endpoints
        }
        self._run_id = run_id
        self._generation = generation
        self._acceptor: Acceptor | None = None
        self._connections: set[ServerConnection] = set()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._unread: dict[socket.socket, asyncio.Task[None]] = {}  # handshakes that wait for their caller
        self.is_draining = False
        self._is_stopping = False
        self._ended: asyncio.Event | None = None

    # --- life ---

    async def start(self, listener: socket.socket) -> None:
        """Accept connections from now on.

        Args:
            listener: A bound unix socket, which belongs to this server from now on. Other processes may hold it
                too: it is closed, never shut down.
        """
        self._loop = asyncio.get_running_loop()
        self._acceptor = Acceptor(listener, self._accepted, whose=str(self))
        self._acceptor.start()

    def relisten(self, listener: socket.socket) -> None:
        """Accept on another socket from now on, because the path of the one before leads to it no more.

        Connections stay; those that wait in the queue of the former socket are lost.

        Args:
            listener: As :meth:`start` takes it; closed at once when no connections are accepted any more.
        """
        if self._acceptor is None:
            listener.close()
        else:
            self._acceptor.relisten(listener)

    def stop_accepting(self) -> None:
        """Accept no more connections and close this process's copy of the socket. Safe to call twice.

        Connections that wait in its queue are for whoever else holds it.
        """
        self._is_stopping = True
        if self._acceptor is not None:
            self._acceptor.stop()
        for handshake in self._unread.values():
            handshake.cancel()

    def go_away(self) -> None:
        """Tell every caller to take its new calls elsewhere; open calls go on. Safe to call twice."""
        self.stop_accepting()
        for connection in self._connections:
            connection.go_away()

    async def drain(self, timeout_s: float) -> bool:
        """Wait until no call is open and the last answers have been handed over.

        Args:
            timeout_s: Seconds to wait.

        Returns:
            Whether it came to that.
        """
        until = time.monotonic() + timeout_s
        self._ended = asyncio.Event()
        self.is_draining = True
        try:
            while any(each.calls or each.ending for each in self._connections):
                self._ended.clear()
                async with asyncio.timeout(until - time.monotonic()):
                    await self._ended.wait()
            while not all(each.is_idle for each in self._connections):
                async with asyncio.timeout(until - time.monotonic()):
                    await asyncio.sleep(UNSENT_CHECK_S)
        except TimeoutError:
            return False
        finally:
            self.is_draining = False
            self._ended = None
        return True

    async def aclose(self) -> None:
        """Accept nothing, cancel the open calls, close every connection. Safe to call twice.

        Callers of calls that are cancelled here get a ``CallCancelledError``.
        """
        self.stop_accepting()
        if self._handshakes:
            await asyncio.wait(set(self._handshakes))
        connections = set(self._connections)
        for connection in connections:
            connection.cancel_all()
        ending = {task for connection in connections for task in connection.ending}
        if ending:
            _, stuck = await asyncio.wait(ending, timeout=CLEAN_UP_S)
            if stuck:
                logger.error("%s: %d cancelled calls have not ended", self, len(stuck))
        for connection in connections:
            connection.close()
        gone = {connection.closed for connection in connections}
        if gone:
            await asyncio.wait(gone, timeout=LAST_WRITE_S)
            for connection in connections:
                connection.abort()
            await asyncio.wait(gone)

    def __str__(self) -> str:
        return f"worker {self.host.name}/{self.host.slot}"

    # --- for connections ---

    def call_ended(self) -> None:
        """A connection may have no open calls now."""
        if self._ended is not None:
            self._ended.set()

    def connection_began(self, connection: ServerConnection) -> None:
        """A connection is open, and will end."""
        self._connections.add(connection)
        if self._is_stopping:
            connection.go_away()

    def connection_ended(self, connection: ServerConnection) -> None:
        """A connection is gone: there is a descriptor again."""
        self._connections.discard(connection)
        self.call_ended()
        if self._acceptor is not None:
            self._acceptor.descriptor_freed()

    # --- handshakes ---

    def _accepted(self, sock: socket.socket) -> None:
        handshake = self._loop.create_task(self._greet(sock), name="handshake")
        self._handshakes.add(handshake)
        self._unread[sock] = handshake
        handshake.add_done_callback(self._handshakes.discard)

    async def _greet(self, sock: socket.socket) -> None:
        """Shake hands on a new connection; closes it when that fails."""
        greeter = Greeter(self._loop, sock)
        try:
            if not is_own_user(sock):
                raise HandshakeError("the peer belongs to another user")
            async with asyncio.timeout(self.limits.handshake_timeout_s):
                hello = await self._read_hello(greeter, sock)
            # What follows waits for nobody, and is not cancelled by a stop: uvloop drops a connection that was just
            # made without telling it that it is gone.
            del self._unread[sock]
            await self._welcome(greeter, sock, hello)
        except TimeoutError:
            logger.warning("%s: a connection did not say who it is in time", self)
            sock.close()
        except (BrokenPipeError, ConnectionResetError) as exc:  # it waited for a worker, and waits no more
            logger.debug("%s: a caller has gone during the handshake: %s", self, exc)
            sock.close()
        except (HandshakeError, ProtocolError, OSError) as exc:
            logger.warning("%s: a connection is refused: %s", self, exc)
            sock.close()
        except BaseException:
            sock.close()
            raise
        finally:
            self._unread.pop(sock, None)
            greeter.close()

    async def _read_hello(self, greeter: Greeter, sock: socket.socket) -> Hello:
        try:
            hello = await greeter.read_hello()
        except VersionMismatchError as exc:
            self._refuse(sock, Refusal(code="version", message=str(exc)))
            raise
        except ProtocolError as exc:
            self._refuse(sock, Refusal(code="protocol", message=str(exc)))
            raise
        refusal = mismatch(hello, run_id=self._run_id, service=self.host.name, slot=self.host.slot)
        if refusal is not None:
            self._refuse(sock, refusal)
            raise HandshakeError(refusal.message)
        return hello

    def _refuse(self, sock: socket.socket, refusal: Refusal) -> None:
        with contextlib.suppress(OSError):
            send_answer(sock, refusal)

    async def _welcome(self, greeter: Greeter, sock: socket.socket, hello: Hello) -> None:
        page_fd = greeter.take_page_fd()
        marks = BegunMarks.open(page_fd) if page_fd >= 0 else None
        connection = ServerConnection(self, hello, marks)
        welcome = Welcome(
            run_id=self._run_id,
            service=self.host.name,
            slot=self.host.slot,
            generation=self._generation,
            pid=os.getpid(),
            max_frame_bytes=self.limits.max_frame_bytes,
            marks_page=marks is not None,
            takes_tails=True,
        )
        try:
            send_answer(sock, welcome)
            await self._loop.connect_accepted_socket(lambda: connection, sock)
        except BaseException:
            if marks is not None:
                marks.close()
            raise
