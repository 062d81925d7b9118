"""A worker process: serves a class on the listening socket with the descriptor that it is given."""

from __future__ import annotations

import asyncio
import socket
import sys
import time

from dynamo_core import endpoint, service
from dynamo_core.config import ServiceConfig
from dynamo_core.host import Host
from dynamo_core.inspection import define_service
from dynamo_core.transport import ServiceServer


@service(name="Backend")
class StuckBackend:
    """Endpoints that block the event loop, so that nothing after them begins."""

    @endpoint
    async def hold(self) -> str:
        return block("hold")

    @endpoint(idempotent=True)
    async def hold_again(self) -> str:
        return block("hold_again")

    @endpoint
    async def echo(self, value: object) -> object:
        print("echo", flush=True)
        return value

    @endpoint
    async def where(self) -> int:
        print("where", flush=True)
        return 0


def block(name: str) -> str:
    print(name, flush=True)
    time.sleep(600)
    return "never"


async def main(listen_fd: int, slot: int) -> None:
    host = Host(define_service(StuckBackend), slot=slot, config=ServiceConfig(), clients={}, run_id="run-1")
    await host.start()
    server = ServiceServer(host, run_id="run-1")
    await server.start(socket.socket(fileno=listen_fd))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
