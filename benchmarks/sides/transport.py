"""Our transport, host and client, without a provider."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from benchmarks.graph import Backend
from benchmarks.sides.serving import is_ready, main
from dynamo_core.client import make_client
from dynamo_core.config import ServiceConfig
from dynamo_core.host import Host
from dynamo_core.inspection import define_service
from dynamo_core.transport import Member, ServiceServer, SlotChannel

RUN_ID = "benchmark"


async def serve(path: str) -> None:
    host = Host(define_service(Backend), slot=0, config=ServiceConfig(), clients={}, run_id=RUN_ID)
    await host.start()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    await ServiceServer(host, run_id=RUN_ID).start(listener)
    is_ready()
    await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def connect(path: str) -> AsyncIterator[Backend]:
    channel = SlotChannel("Backend", run_id=RUN_ID)
    channel.set_members([Member(slot=0, path=path)])
    yield make_client(Backend, define_service(Backend), channel, asyncio.get_running_loop())
    await channel.aclose()


if __name__ == "__main__":
    main(serve, connect)
