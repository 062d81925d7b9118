"""A worker's life: wait for what it depends on, start, serve, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from dynamo_core.host import Host
from dynamo_core.http.gate import HttpGate
from dynamo_core.supervision.stop_shares import time_for_hooks_s
from dynamo_core.transport import ServiceServer
from dynamo_core.worker_kit import health
from dynamo_core.worker_kit.teller import Teller

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine

    from dynamo_core.definition import ServiceDefinition
    from dynamo_core.worker_kit.peers import Peers

logger = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_AGAIN_S: Final = 0.05
"""Between two looks at whether a worker that is stopping has less time by now."""

LAST_ANSWERS_S: Final = 1.0
"""For what has been answered to reach its callers."""


class StopTime:
    """How long a worker's calls may still take, once it is told to stop; a supervisor may shorten that meanwhile.

    Args:
        timeout_s: The service's stop time, in seconds.
        told: Gives the stop time that a supervisor has told the worker, and when, if it has.
    """

    def __init__(
        self, timeout_s: float, told: Callable[[], tuple[float, float] | None] = lambda: None
    ) -> None:
        self._timeout_s = timeout_s
        self._told = told
        self._began: float | None = None

    def begin(self) -> None:
        """Its time runs from now on. Safe to call twice."""
        if self._began is None:
            self._began = time.monotonic()

    def left_for_calls_s(self) -> float:
        """Seconds in which calls may finish; what is open by then is cancelled, so that there is time for hooks."""
        now = time.monotonic()
        timeout_s, began = self._told() or (self._timeout_s, self._began)
        passed_s = 0.0 if began is None else now - began
        return max(0.0, timeout_s - time_for_hooks_s(timeout_s) - passed_s)

    async def drain(self, host: Host) -> bool:
        """Wait for the host's calls for as long as there is time; whether they have finished."""
        while not await host.drain(min(LOOK_AGAIN_S, self.left_for_calls_s())):
            if self.left_for_calls_s() <= 0:
                return False
        return True


class Renewals:
    """Where the slot's listening socket comes in that a supervisor has made anew, while the worker lives."""

    def __init__(self) -> None:
        self._server: ServiceServer | None = None
        self._waiting: socket.socket | None = None

    def take(self, listener: socket.socket) -> None:
        """Have the worker accept on *listener*, which belongs to this from now on."""
        if self._server is not None:
            self._server.relisten(listener)
            return
        if self._waiting is not None:
            self._waiting.close()
        self._waiting = listener

    def hand_to(self, server: ServiceServer) -> None:
        """Have *server*, which has just started, accept on what has come and will come."""
        self._server = server
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            server.relisten(waiting)

    def close(self) -> None:
        """Close what nobody has taken. Safe to call twice."""
        if self._waiting is not None:
            self._waiting.close()
            self._waiting = None


@attrs.frozen(kw_only=True, eq=False)
class WorkerSetup:
    """What one worker serves, and where.

    Attributes:
        definition: The service, with its whole configuration.
        slot: Number of its slot.
        run_id: Id of the run.
        graph: Name of the graph.
        generation: How many workers the slot has had, this one included.
        listener: The slot's listening socket.
        http_listener: The service's HTTP socket; None when it has none.
        peers: What it depends on.
        renewals: Where another listening socket may come in later.
        stop_told: Gives the stop time that a supervisor has told the worker, in seconds, and when that was on the clock
            of ``time.monotonic()``; None for the service's own.
        tell: Hears how the worker is, as sd_notify fields; must not block.
    """

    definition: ServiceDefinition
    slot: int
    run_id: str
    graph: str = ""
    generation: int = 0
    listener: socket.socket
    http_listener: socket.socket | None = None
    peers: Peers
    renewals: Renewals = attrs.field(factory=Renewals)
    stop_told: Callable[[], tuple[float, float] | None] = lambda: None
    tell: Callable[[Mapping[str, str]], None] = attrs.field(factory=Teller)


async def serve(setup: WorkerSetup, stop: asyncio.Event) -> None:
    """Serve until *stop* is set, then drain and stop within the service's stop time.

    Raises:
        Exception: Whatever building the instance or a start hook raised; nothing was served.
    """
    try:
        setup.tell({"STATUS": "waiting for " + (", ".join(setup.peers.awaited) or "nothing")})
        if not await _unless(stop, setup.peers.wait_known()):
            return
        setup.tell({"STATUS": "running start hooks"})
        host = Host(
            setup.definition,
            slot=setup.slot,
            config=setup.definition.config,
            clients=setup.peers.clients(),
            run_id=setup.run_id,
            graph=setup.graph,
        )
        try:
            if await _unless(stop, host.start()):
                await _serve_host(host, setup, stop)
        finally:
            await host.stop()
    finally:
        setup.renewals.close()
        await setup.peers.aclose()


async def _serve_host(host: Host, setup: WorkerSetup, stop: asyncio.Event) -> None:
    server = ServiceServer(host, run_id=setup.run_id, generation=setup.generation)
    http_stop = asyncio.Event()
    time_left = StopTime(host.config.supervision.stop_timeout_s, setup.stop_told)
    try:
        async with asyncio.TaskGroup() as tasks:
            try:
                if await _unless(stop, health.wait_ready(host, setup.tell)):
                    # Callers wait in the queues of the sockets; they must not come before READY.
                    gate = None
                    if setup.http_listener is not None:
                        gate = HttpGate(host.name)
                        tasks.create_task(_serve_http(host, setup, http_stop, time_left, gate), name="http")
                        await _unless(stop, gate.started.wait())
                    await server.start(setup.listener)
                    setup.renewals.hand_to(server)
                    setup.tell(health.READY)
                    with health.watchdog(host, setup.tell):
                        await _unless(stop, _look_after(host, setup, gate))
            finally:
                time_left.begin()
                setup.tell({"STOPPING": "1", "STATUS": "finishing calls"})
                server.stop_accepting()
                server.go_away()
                http_stop.set()
            has_finished = await time_left.drain(host)
        if has_finished:
            await server.drain(LAST_ANSWERS_S)
    finally:
        await server.aclose()


async def _look_after(host: Host, setup: WorkerSetup, gate: HttpGate | None) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(health.watch_readiness(host, setup.tell, gate), name="readiness")
        tasks.create_task(health.watch_liveness(host), name="liveness")
        tasks.create_task(asyncio.Event().wait(), name="serving")


async def _serve_http(
    host: Host, setup: WorkerSetup, stop: asyncio.Event, time_left: StopTime, gate: HttpGate
) -> None:
    from dynamo_core.http import build_application, serve_http  # not every worker serves HTTP

    assert setup.http_listener is not None
    http = host.config.http
    application = build_application(host, http, title=host.name, app=setup.definition.app)
    await serve_http(
        gate.before(application), [setup.http_listener], http, stop=stop, grace_s=time_left.left_for_calls_s
    )


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, object]) -> bool:
    """Do *work* to its end, or cancel it once *stop* is set; whether it was done.

    Raises:
        Exception: What *work* raised.
    """
    if stop.is_set():
        work.close()
        return False
    doing = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        is_done = doing.done()
        if is_done:
            doing.result()
        return is_done
    finally:
        for task in (doing, stopping):
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
