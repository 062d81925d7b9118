"""A worker's life, within the test's process: what it tells, and when it takes calls."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from pathlib import Path

from dynamo_core import endpoint, readiness, service
from dynamo_core.client import make_client
from dynamo_core.inspection import define_service
from dynamo_core.transport import Member, SlotChannel
from dynamo_core.worker_kit.peers import Peers
from dynamo_core.worker_kit.serving import WorkerSetup, serve

TOLD: list[str] = []


@service
class Hesitant:
    """Is ready when it was asked twice."""

    def __init__(self) -> None:
        self.asked = 0

    @readiness
    def is_ready(self) -> bool:
        self.asked += 1
        TOLD.append("asked")
        return self.asked > 1

    @endpoint
    async def echo(self, text: str) -> str:
        TOLD.append("called")
        return text


async def test_calls_begin_only_once_the_worker_is_ready() -> None:
    """Callers that wait in the queue of its socket must neither be served too early nor keep it from being ready."""
    TOLD.clear()
    stop = asyncio.Event()
    definition = define_service(Hesitant)
    with tempfile.TemporaryDirectory(prefix="wk-") as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder) / "slot"
        listener.bind(str(path))
        listener.listen()
        channel = SlotChannel("Hesitant", run_id="run")
        channel.set_members([Member(slot=0, path=str(path), generation=1)])
        client: Hesitant = make_client(Hesitant, definition, channel, asyncio.get_running_loop())
        calling = asyncio.create_task(client.echo("early"))
        await asyncio.sleep(0)  # it is in the queue now
        setup = WorkerSetup(
            definition=definition,
            slot=0,
            run_id="run",
            generation=1,
            listener=listener.dup(),
            peers=Peers({}, {}),
            tell=lambda state: TOLD.extend(["ready"] if state.get("READY") == "1" else []),
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve(setup, stop))
            async with asyncio.timeout(30):
                assert await calling == "early"
            stop.set()
        await channel.aclose()
    assert TOLD == ["asked", "asked", "ready", "called"]
