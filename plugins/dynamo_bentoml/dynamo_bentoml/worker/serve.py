"""A worker's life: wait for what it depends on, start, serve, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from dynamo_bentoml.bento_service import make_service
from dynamo_bentoml.hosted_service import HostedService
from dynamo_bentoml.ingress import make_http_application
from dynamo_bentoml.serving import make_application
from dynamo_bentoml.stand_in import StandInFacts, facts_of
from dynamo_bentoml.worker.reporting_line import ReportingLine
from dynamo_core.http import serve_http
from dynamo_core.http.gate import HttpGate
from dynamo_core.remote import RemoteClients
from dynamo_core.transport import ServiceServer
from dynamo_core.worker_kit import health
from dynamo_core.worker_kit.peers import Peers
from dynamo_core.worker_kit.serving import LAST_ANSWERS_S, Renewals, StopTime
from dynamo_core.worker_kit.supervised import stop_on_signals
from dynamo_core.worker_kit.supervisor_line import adopt_socket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from dynamo_bentoml.worker.assignment import Assignment


async def serve(assignment: Assignment) -> None:
    """Serve until the supervisor asks for the end, then drain and stop within the service's stop time.

    Raises:
        Exception: Whatever building the instance or a start hook raised; nothing was served.
    """
    bootstrap = assignment.bootstrap
    names = {definition.name for definition in assignment.dependencies.values()}
    peers = Peers(assignment.dependencies, dict.fromkeys(names, bootstrap.run_id))
    elsewhere = RemoteClients(assignment.elsewhere)
    renewals = Renewals()
    line = ReportingLine(assignment.channel, peers, renewals)
    stop = stop_on_signals()
    with line.listening():
        try:
            if await _unless(stop, peers.wait_known()):
                clients = {**peers.clients(), **elsewhere.clients()}
                await Worker(assignment, clients, line, renewals, stop).run()
        finally:
            renewals.close()
            await peers.aclose()
            await elsewhere.aclose()


class Worker:
    """One service in this process: core's host, as a BentoML service.

    Args:
        assignment: What is served.
        clients: What becomes of its dependencies, by attribute.
        line: To the supervisor.
        renewals: Where another listening socket may come in later.
        stop: Set once the worker is to end.
    """

    def __init__(
        self,
        assignment: Assignment,
        clients: dict[str, object],
        line: ReportingLine,
        renewals: Renewals,
        stop: asyncio.Event,
    ) -> None:
        bootstrap = assignment.bootstrap
        self._assignment = assignment
        self._line = line
        self._tell = line.tell
        self._renewals = renewals
        self._stop = stop
        self._hosted = HostedService(
            assignment.definition,
            slot=bootstrap.slot,
            clients=clients,
            run_id=bootstrap.run_id,
            graph=bootstrap.graph,
        )

    async def run(self) -> None:
        """Start, serve until asked to stop, and end."""
        try:
            if await _unless(self._stop, self._hosted.start()):
                async with self._bentoml_application() as application:
                    await self._serve(application)
        finally:
            await self._hosted.stop()

    @contextlib.asynccontextmanager
    async def _bentoml_application(self) -> AsyncIterator[Any]:
        """BentoML's application of the service, around core's; its lifespan lasts as long as the block."""
        orders, bento = self._assignment.orders, self._assignment.bento
        if bento is None:
            bento = make_service(StandInFacts(None, self._assignment.definition))
        facts = facts_of(bento)
        assert facts is not None, "it was made here, or checked when it was loaded"
        facts.host = self._hosted.host
        app = make_application(
            bento, slot=facts.host.slot, is_entry=orders.is_entry, access_log=orders.access_log
        )
        async with app.router.lifespan_context(app):
            yield make_http_application(facts, app)

    async def _serve(self, application: Any) -> None:
        bootstrap, host = self._assignment.bootstrap, self._hosted.host
        server = ServiceServer(host, run_id=bootstrap.run_id, generation=bootstrap.generation)
        listener = adopt_socket(bootstrap.listen_fd)
        http_stop = asyncio.Event()
        time_left = StopTime(host.config.supervision.stop_timeout_s, self._line.stop_told)
        try:
            async with asyncio.TaskGroup() as tasks:
                try:
                    if await _unless(self._stop, health.wait_ready(host, self._tell)):
                        # Callers wait in the queues of the sockets; they must not come before READY.
                        gate = None
                        if bootstrap.http_fd is not None:
                            gate = HttpGate(host.name)
                            sockets = [adopt_socket(bootstrap.http_fd)]
                            serving = serve_http(
                                gate.before(application),
                                sockets,
                                host.config.http,
                                stop=http_stop,
                                grace_s=time_left.left_for_calls_s,
                            )
                            tasks.create_task(serving, name="http")
                            await _unless(self._stop, gate.started.wait())
                        await server.start(listener)
                        self._renewals.hand_to(server)
                        self._tell(health.READY)
                        with health.watchdog(host, self._tell):
                            await _unless(self._stop, self._look_after(gate))
                finally:
                    time_left.begin()
                    server.stop_accepting()
                    server.go_away()
                    http_stop.set()
                    self._tell({"STOPPING": "1"})
                has_finished = await time_left.drain(host)
            if has_finished:
                await server.drain(LAST_ANSWERS_S)
        finally:
            await server.aclose()
            listener.close()

    async def _look_after(self, gate: HttpGate | None) -> None:
        async with asyncio.TaskGroup() as tasks:
            watching = health.watch_readiness(self._hosted.host, self._tell, gate)
            tasks.create_task(watching, name="readiness")
            tasks.create_task(health.watch_liveness(self._hosted.host), name="liveness")
            tasks.create_task(asyncio.Event().wait(), name="serving")


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
        if doing.done():
            doing.result()
            return True
        return False
    finally:
        for task in (doing, stopping):
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
