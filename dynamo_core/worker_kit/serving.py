"""A worker's life: wait for what it depends on, start, serve, drain, stop."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

import attrs

from dynamo_core.host import Host
from dynamo_core.transport import ServiceServer
from dynamo_core.worker_kit.notification import Notifier

if TYPE_CHECKING:
    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import ServiceDefinition
    from dynamo_core.worker_kit.peers import Peers

logger = logging.getLogger(__name__)


@attrs.frozen(kw_only=True, eq=False)
class WorkerSetup:
    """What one worker serves, and where.

    Attributes:
        definition: The service.
        config: Its configuration.
        slot: Number of its slot.
        run_id: Id of the run.
        graph: Name of the graph.
        listener: The slot's listening socket.
        http_listener: The service's HTTP socket; None when it has none.
        peers: What it depends on.
        notifier: Tells the supervisor how it is.
    """

    definition: ServiceDefinition
    config: ServiceConfig
    slot: int
    run_id: str
    graph: str = ""
    listener: socket.socket
    http_listener: socket.socket | None = None
    peers: Peers
    notifier: Notifier = attrs.field(factory=Notifier)


async def serve(setup: WorkerSetup, stop: asyncio.Event) -> None:
    """Serve until *stop* is set, then drain and stop within the service's stop time.

    Raises:
        Exception: Whatever building the instance or a start hook raised; nothing was served.
    """
    notifier = setup.notifier
    notifier.send(STATUS="waiting for " + (", ".join(setup.peers.names) or "nothing"))
    if not await _unless_stopped(setup.peers.wait_known(), stop):
        return
    notifier.send(STATUS="running start hooks")
    host = Host(
        setup.definition,
        slot=setup.slot,
        config=setup.config,
        clients=setup.peers.clients(),
        run_id=setup.run_id,
    )
    await host.start()
    try:
        await _serve_host(host, setup, stop)
    finally:
        await host.stop()


async def _serve_host(host: Host, setup: WorkerSetup, stop: asyncio.Event) -> None:
    server = ServiceServer(host, run_id=setup.run_id)
    grace_s = setup.config.supervision.stop_timeout_s
    http_stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        await server.start(setup.listener)
        if setup.http_listener is not None:
            tasks.create_task(_serve_http(host, setup, http_stop), name="http")
        setup.notifier.send(READY="1", STATUS="serving")
        await stop.wait()
        setup.notifier.send(STOPPING="1", STATUS="finishing calls")
        server.stop_accepting()
        server.go_away()
        http_stop.set()
        await host.drain(grace_s)
    await server.drain(1.0)
    await server.aclose()
