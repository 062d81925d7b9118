"""The caller's side: calls to the workers of one service, spread over their slots."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from dynamo_core.channel import Buffer, CallOptions, Channel, Routing
from dynamo_core.errors import (
    CallError,
    CallTimeoutError,
    OverloadedError,
    ServiceUnavailableError,
    WorkerLostError,
)
from dynamo_core.transport.client_connection import ClientConnection, Expired, Lost, TooManyOpenCalls
from dynamo_core.transport.client_stream import EndOfStream
from dynamo_core.transport.limits import DEFAULT_LIMITS, TransportLimits
from dynamo_core.transport.messages import MAX_OPEN_CALLS, encode_metadata
from dynamo_core.transport.retry_budget import RetryBudget
from dynamo_core.transport.routing import Router
from dynamo_core.transport.slot_health import SlotJudge
from dynamo_core.transport.slot_link import SlotLink

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from dynamo_core.definition import EndpointDefinition
    from dynamo_core.parts import Parts
    from dynamo_core.transport.membership import Member

SETTLE_S: Final = 0.02
"""How long the first calls wait for more than the first slot to be connected, so that they spread."""

LARGEST_MOVES: Final = 16
"""Workers that one call may be moved away from before any has begun it."""

_monotonic: Final = time.monotonic


class SlotChannel(Channel):
    """A channel to the workers of one service.

    It connects to every member in the background; a slot gets calls once it has answered the handshake, and none
    from the moment on at which its connection ends or its worker says that it goes away. Calls for which there is
    no slot wait, first come first served; they are refused at once while it is known that there will be none.

    A slot that answers worse than the others loses its share of the calls until it is well again; a call that
    names its slot goes there all the same.

    A call whose worker is lost is made again on another slot if it had not begun; else only if its endpoint is
    idempotent, within a budget, and for a stream only if none of its items was delivered.

    Used from one event loop.

    Args:
        service: Name of the service.
        run_id: Id of the run; workers of another run are refused.
        limits: Of this side.
    """

    carries_parts = True

    def __init__(self, service: str, *, run_id: str, limits: TransportLimits = DEFAULT_LIMITS) -> None:
        self._service = service
        self._run_id = run_id
        self._limits = limits
        self._links: dict[int, SlotLink] = {}
        self._former: set[SlotLink] = set()
        self._usable: list[ClientConnection] = []
        self._refusal = ""
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._router = Router()
        self._judge = SlotJudge(service)
        self._budget = RetryBudget()
        self._settle_timer: asyncio.TimerHandle | None = None
        self._has_settled = False
        self._is_closed = False

    @property
    def service(self) -> str:
        """Name of the service."""
        return self._service

    @property
    def usable_slots(self) -> tuple[int, ...]:
        """Slots that take calls now."""
        return tuple(connection.welcome.slot for connection in self._usable)

    # --- who serves ---

    def set_members(self, members: Sequence[Member], refusal: str = "") -> None:
        """Take in who serves the service now; slots that are not named get no new calls.

        Must be called on the event loop that the channel is used from.

        Args:
            members: All of its workers.
            refusal: Why there will be none, for calls that would otherwise wait; empty when they may.
        """
        if self._is_closed:
            return
        self._refusal = refusal
        wanted = {member.slot: member for member in members}
        for slot in self._links.keys() - wanted.keys():
            link = self._links.pop(slot)
            self._former = {each for each in self._former if not each.is_done} | {link}
            link.leave()
        for slot, member in wanted.items():
            if slot in self._links:
                self._links[slot].update(member)
            else:
                self._links[slot] = self._new_link(member)
        self._links = dict(sorted(self._links.items()))
        self._refresh()

    def _new_link(self, member: Member) -> SlotLink:
        return SlotLink(
            member,
            run_id=self._run_id,
            service=self._service,
            limits=self._limits,
            on_change=self._refresh,
        )

    def _refresh(self) -> None:
        """Work out anew which slots take calls, and let in who waits for one."""
        usable = [
            link.connection
            for link in self._links.values()
            if link.connection is not None and link.connection.is_usable
        ]
        if usable and not self._has_settled and not self._usable:
            if any(link.is_settling for link in self._links.values()):
                if self._settle_timer is None:
                    self._settle_timer = asyncio.get_running_loop().call_later(SETTLE_S, self._settle)
                return
            self._has_settled = True
        self._usable = usable
        self._judge.compare(usable)
        if usable or self._refusal or any(link.refusal is not None for link in self._links.values()):
            self._wake()

    def _settle(self) -> None:
        self._has_settled = True
        self._refresh()

    # --- calls ---

    async def call(
        self, endpoint: EndpointDefinition, arguments: bytes | Parts, options: CallOptions
    ) -> Buffer | Parts:
        """Make one call.

        Raises:
            CallTimeoutError: Its time ran out; the worker has been told to cancel it.
            ServiceUnavailableError: No worker took it, or the channel is closed.
            WorkerLostError: Its worker was lost after it may have begun.
            OverloadedError: The caller has too many open calls.
            UnsupportedValueError: The worker reads no arguments as long as these.
            CallError: What the worker answered.
        """
        timeout_s = options.timeout_s
        judge = self._judge
        began = _monotonic() if timeout_s is not None or judge.is_needed else 0.0
        deadline = None if timeout_s is None else began + timeout_s
        metadata = encode_metadata(options.metadata) if options.metadata else b""
        routing = options.routing
        name = endpoint.name.encode()
        budget = self._budget
        moves = 0
        while True:
            connection = self._pick_fit(routing) if judge.out else self._router.pick(self._usable, routing)
            if connection is None:
                connection = await self._wait_for_slot(endpoint, options, deadline)
                began = _monotonic()
            budget.calls += 1
            try:
                number, future = connection.start_call(name, arguments, metadata, deadline)
            except TooManyOpenCalls:
                raise self._overloaded(endpoint) from None
            try:
                outcome = await future
            except BaseException:
                connection.cancel(number)
                if judge.is_needed and began:
                    now = _monotonic()
                    judge.left(connection, endpoint.name, now - began, now)
                raise
            if not isinstance(outcome, BaseException):
                if judge.is_needed and began:
                    now = _monotonic()
                    if now >= connection.health.next_sample:
                        judge.answered(connection, endpoint.name, now - began, now)
                return outcome  # type: ignore[no-any-return]  # bytes or a view
            moves += 1
            self._check_again(outcome, connection, endpoint, options, moves)
            began = _monotonic()

    async def stream(
        self, endpoint: EndpointDefinition, arguments: bytes | Parts, options: CallOptions
    ) -> AsyncGenerator[Buffer | Parts, None]:
        """Make one call whose result is a stream; closing it early cancels it.

        Raises:
            CallError: As :meth:`call`, also after some items.
        """
        timeout_s = options.timeout_s
        judge = self._judge
        deadline = None if timeout_s is None else _monotonic() + timeout_s
        metadata = encode_metadata(options.metadata)
        moves = 0
        has_given = False
        while True:
            connection = self._pick_fit(options.routing)
            if connection is None:
                connection = await self._wait_for_slot(endpoint, options, deadline)
            began = _monotonic()
            self._budget.calls += 1
            try:
                stream = connection.start_stream(endpoint.name.encode(), arguments, metadata, deadline)
            except TooManyOpenCalls:
                raise self._overloaded(endpoint) from None
            try:
                while True:
                    array = await stream.take()
                    if not has_given:
                        has_given = True
                        now = _monotonic()
                        judge.answered(connection, endpoint.name, now - began, now)
                    yield array
            except EndOfStream:
                return
            except (Lost, Expired, CallError) as exc:
                outcome: BaseException = exc
            finally:
                connection.cancel(stream.number)
            moves += 1
            self._check_again(outcome, connection, endpoint, options, moves, is_fresh=not has_given)

    def _check_again(  # noqa: PLR0913  # what it judges by
        self,
        outcome: BaseException,
        connection: ClientConnection,
        endpoint: EndpointDefinition,
        options: CallOptions,
        moves: int,
        *,
        is_fresh: bool = True,
    ) -> None:
        """Return if a call may be made again after *outcome*; else raise what its caller meets."""
        is_expired = isinstance(outcome, Expired)
        if self._judge.is_needed:
            self._judge.failed(connection, None if is_expired else outcome, _monotonic())
        if is_expired:
            raise self._timed_out(endpoint, options)
        if not isinstance(outcome, Lost):
            raise outcome
        if not outcome.begun:
            if moves <= LARGEST_MOVES:
                self._budget.calls -= 1
                return
        elif endpoint.idempotent and is_fresh and self._budget.take():
            self._budget.calls -= 1
            return
        welcome = connection.welcome
        raise WorkerLostError(
            self._service,
            welcome.slot,
            endpoint=endpoint.name,
            begun=outcome.begun,
            reason=f"process {welcome.pid}: {outcome.reason}",
        )

    def _timed_out(
        self, endpoint: EndpointDefinition, options: CallOptions, why: str = ""
    ) -> CallTimeoutError:
        return CallTimeoutError(self._service, endpoint.name, timeout_s=options.timeout_s, reason=why)

    def _overloaded(self, endpoint: EndpointDefinition) -> OverloadedError:
        return OverloadedError(self._service, endpoint.name, limit=MAX_OPEN_CALLS)

    def _pick_fit(self, routing: Routing) -> ClientConnection | None:
        """Pick a slot that has its share, or now and then one that has lost it."""
        judge = self._judge
        if not judge.out or not isinstance(routing, str):
            return self._router.pick(self._usable, routing)
        return judge.probed() or self._router.pick(judge.fit, routing)

    # --- waiting ---

    async def _wait_for_slot(
        self, endpoint: EndpointDefinition, options: CallOptions, deadline: float | None
    ) -> ClientConnection:
        """Wait until there is a slot for a call, up to its deadline; without one for as long as the limits say."""
        until = _monotonic() + self._limits.unavailable_timeout_s if deadline is None else deadline
        while True:
            self._check_possible(options.routing)
            waiting = asyncio.get_running_loop().create_future()
            self._waiting[waiting] = None
            try:
                async with asyncio.timeout(until - _monotonic()):
                    await waiting
            except TimeoutError:
                why = self._describe(options.routing)
                if deadline is not None:
                    raise self._timed_out(endpoint, options, why) from None
                raise ServiceUnavailableError(self._service, why) from None
            finally:
                del self._waiting[waiting]
            connection = self._router.pick(self._usable, options.routing)
            if connection is not None:
                return connection

    def _check_possible(self, routing: Routing) -> None:
        """Refuse a call for which no slot can come to be."""
        if self._is_closed:
            raise ServiceUnavailableError(self._service, "the channel is closed")
        if self._refusal:
            raise ServiceUnavailableError(self._service, self._refusal)
        links = self._links
        if not links:
            return
        if not isinstance(routing, str):
            if routing not in links:
                known = ", ".join(map(str, links))
                raise ServiceUnavailableError(
                    self._service, f"there is no slot {routing}; there are: {known}"
                )
            links = {routing: links[routing]}
        if all(link.refusal is not None for link in links.values()):
            raise ServiceUnavailableError(self._service, self._describe(routing))

    def _describe(self, routing: Routing) -> str:
        """What each slot said last."""
        links = [link for slot, link in self._links.items() if isinstance(routing, str) or slot == routing]
        if not links:
            return "no worker of it is known" if isinstance(routing, str) else f"slot {routing} is not known"
        return "; ".join(f"slot {link.member.slot}: {link.last_word}" for link in links)

    # --- ending ---

    async def aclose(self) -> None:
        """Close every connection; calls that are open or wait end with ``ServiceUnavailableError``."""
        self._is_closed = True
        if self._settle_timer is not None:
            self._settle_timer.cancel()
        outcome = ServiceUnavailableError(self._service, "the channel was closed")
        for link in [*self._links.values(), *self._former]:
            await link.aclose(outcome)
        self._usable = []
        self._wake()

    def _wake(self) -> None:
        """Have every call that waits look for a slot again, oldest first."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
