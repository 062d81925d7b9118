"""One slot as a channel knows it: its connection, kept up in the background."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, Final

from dynamo_core.errors import HandshakeError, ProtocolError
from dynamo_core.transport.connecting import Target, connect
from dynamo_core.transport.handshake import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynamo_core.transport.client_connection import ClientConnection
    from dynamo_core.transport.limits import TransportLimits
    from dynamo_core.transport.membership import Member

logger = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.02
LONGEST_PAUSE_S: Final = 0.25
STABLE_S: Final = 0.1
"""A connection that lasted so long is made anew at once when it is lost."""


class SlotLink:
    """Connects to one slot, and again whenever the connection is lost or the worker goes away.

    Args:
        member: The slot.
        run_id: Id of the run.
        service: Name of the service.
        limits: Of this side.
        on_change: Called when the connection has become usable or unusable, or was refused.

    Attributes:
        member: The slot.
        connection: The connection for new calls; None while there is none.
        is_settling: Whether the first attempt to connect is still under way.
        refusal: What the worker said that does not take the connection; None when it was not asked or takes it.
        last_word: How things stand, in one line.
    """

    def __init__(
        self,
        member: Member,
        *,
        run_id: str,
        service: str,
        limits: TransportLimits,
        on_change: Callable[[], None],
    ) -> None:
        self.member = member
        self.connection: ClientConnection | None = None
        self.is_settling = True
        self.refusal: RefusedError | None = None
        self.last_word = "it is being connected to"
        self._run_id = run_id
        self._service = service
        self._limits = limits
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._open: set[ClientConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._needed = asyncio.Event()
        self._task = self._start()

    def update(self, member: Member) -> None:
        """Take in where the slot is now; a new worker or socket is connected to before the old one is left."""
        if member != self.member:
            self.member = member
            self._task.cancel()
            self._task = self._start()

    def leave(self) -> None:
        """Give it no new calls; close once the open ones are done."""
        self._task.cancel()
        self.connection = None
        for connection in list(self._open):
            connection.leave()

    async def aclose(self, outcome: BaseException) -> None:
        """Close at once; open calls end with *outcome*. Safe to call twice."""
        self.connection = None
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        gone = [connection.closed for connection in self._open]
        for connection in list(self._open):
            connection.abandon(outcome)
        if gone:
            await asyncio.wait(gone)

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is left."""
        return not self._open and not self._tasks

    # --- connecting ---

    def _start(self) -> asyncio.Task[None]:
        self._needed.set()
        task = self._loop.create_task(
            self._keep_connected(self.member), name=f"connect {self._service}/{self.member.slot}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _keep_connected(self, member: Member) -> None:
        target = Target(path=member.path, run_id=self._run_id, service=self._service, slot=member.slot)
        pauses = _Pauses()
        while True:
            await self._needed.wait()
            try:
                connection = await connect(target, self._limits, self._note)
            except (HandshakeError, ProtocolError, OSError) as exc:
                self._failed(exc)
                await asyncio.sleep(pauses.next_s())
                continue
            self._needed.clear()
            self._adopt(connection)
            began = time.monotonic()
            await self._needed.wait()
            if time.monotonic() - began >= STABLE_S:
                pauses = _Pauses()
            await asyncio.sleep(pauses.next_s())

    def _note(self, word: str) -> None:
        self.last_word = word
        self._settled()

    def _failed(self, exc: Exception) -> None:
        logger.debug("%s/%d cannot be connected to: %s", self._service, self.member.slot, exc)
        self.refusal = exc if isinstance(exc, RefusedError) else None
        if isinstance(exc, BlockingIOError):
            self._note("the queue of its socket is full")
        elif isinstance(exc, OSError):
            self._note(f"its socket cannot be connected to: {exc.strerror or exc}")
        else:
            self._note(f"{'it refused: ' if self.refusal else ''}{exc}")

    def _settled(self) -> None:
        self.is_settling = False
        self._on_change()

    def _adopt(self, connection: ClientConnection) -> None:
        previous, self.connection = self.connection, connection
        self._open.add(connection)
        self.refusal = None
        self.last_word = "it is connected"
        connection.on_change = lambda: self._changed(connection)  # type: ignore[method-assign]
        connection.closed.add_done_callback(lambda _: self._open.discard(connection))
        if previous is not None:
            previous.leave()
        self._changed(connection)
        self._settled()

    def _changed(self, connection: ClientConnection) -> None:
        if connection is self.connection and (connection.is_leaving or connection.closed.done()):
            self.connection = None
            self.last_word = connection.lost_reason or "its worker is going away"
            self._needed.set()
        self._on_change()


class _Pauses:
    """Waits before the next attempts: none, then ever longer ones."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def next_s(self) -> float:
        pause_s = self._next_s
        self._next_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, 2 * pause_s))
        return pause_s * random.uniform(0.9, 1.1)  # noqa: S311  # no secret
