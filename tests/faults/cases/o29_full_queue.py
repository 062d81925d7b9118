"""A slot's queue is full and no worker takes from it; fifty callers come all the same."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from harness import CallRecord, Trial, case
from harness.callers import callers

from dynamo_core import with_options
from dynamo_core.config import ServiceConfig
from dynamo_core.host import Host
from dynamo_core.transport import Member, ServiceServer

CALLERS = 50
QUEUE = 5
RUN_ID = "0" * 16


@case("O29", "typed error or answer within the deadline; never EINVAL or ENOTCONN out of the API")
async def call_on_a_full_queue(trial: Trial) -> None:
    path = trial.folder / "slot.sock"
    with listening(path) as listener:
        refused = await call_from_everywhere(trial, path, trial.pick(1.0, 0.5))
        check(trial, "nobody takes them", refused, {"deadline", "ServiceUnavailableError"})
        calling = asyncio.create_task(call_from_everywhere(trial, path, 5.0))
        await asyncio.sleep(0.3)
        async with serving(trial, listener):
            check(trial, "somebody does later", await calling, {"ok"})


def check(trial: Trial, what: str, calls: list[CallRecord], allowed: set[str]) -> None:
    counts = Counter(call.outcome for call in calls)
    trial.see(f"{what}: {dict(counts)}")
    for call in calls:
        trial.expect(call.outcome in allowed, f"{what}: {call.outcome}: {call.error!r}")


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A slot's socket that nobody accepts from, with a short queue."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(QUEUE)
        yield listener
    path.unlink()


async def call_from_everywhere(trial: Trial, path: Path, deadline_s: float) -> list[CallRecord]:
    definition = trial.graph("Work").find_service("Work")
    member = Member(slot=0, path=str(path), generation=0)
    async with callers(definition, [member], RUN_ID, count=CALLERS) as clients:
        return await asyncio.gather(
            *(
                trial.ledger.record(
                    with_options(client, timeout_s=deadline_s).work, service="Work", deadline_s=deadline_s
                )
                for client in clients
            )
        )


@contextlib.asynccontextmanager
async def serving(trial: Trial, listener: socket.socket) -> AsyncIterator[None]:
    """A worker takes from the queue."""
    definition = trial.graph("Work").find_service("Work")
    host = Host(definition, slot=0, config=ServiceConfig(), clients={}, run_id=RUN_ID)
    await host.start()
    server = ServiceServer(host, run_id=RUN_ID)
    await server.start(listener.dup())
    try:
        yield
    finally:
        await server.aclose()
        await host.stop()
