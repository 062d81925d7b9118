"""Workers that say that they are not ready, now and then: sockets and HTTP leave them alone alike."""

from __future__ import annotations

import asyncio

from harness import Load, Run, Trial, case
from harness.kills import kill_worker
from harness.raw_http import HttpProblemError, ask

GRAPH = "web_services.py:Shop"


@case(
    "O69",
    "neither sockets nor HTTP give a call to a worker that is not ready, whether it never was or no longer is; "
    "none fails while another one is ready; HTTP answers 503 while none is",
)
async def close_and_open(trial: Trial) -> None:
    async with trial.start(GRAPH) as run:
        await close_one(trial, run)
        await start_closed(trial, run)
        await close_all(trial, run)


async def reach(run: Run, states: tuple[str, ...]) -> None:
    async with asyncio.timeout(20):
        while tuple(worker.state for worker in await run.workers("Shop")) != states:
            await asyncio.sleep(0.005)


def loads(run: Run) -> tuple[Load, Load]:
    """Calls over sockets, and calls over HTTP."""
    port = run.http_port("Shop")

    async def over_http(_client: object, call_id: str) -> object:
        return await ask(port, "/work", {"call_id": call_id}, service="Shop")

    return run.load("Shop"), run.load("Shop", endpoint=over_http, rate=50)


async def check_spared(trial: Trial, run: Run, slot: int, pid: int, what: str) -> None:
    """Nothing reaches one slot's worker, and everything is answered."""
    over_sockets, over_http = loads(run)
    async with over_sockets, over_http:
        await asyncio.sleep(trial.pick(1.5, 0.5))
    for way, load in (("sockets", over_sockets), ("HTTP", over_http)):
        ids = {call.call_id for call in load.calls}
        spared = not any(line.call_id in ids and line.pid == pid for line in trial.service_ledger)
        trial.expect(spared, f"{what}: {way} reached slot {slot}")
        trial.expect(not load.failed, f"{what}: {way}: {[str(call.error) for call in load.failed[:2]]}")
        trial.see(f"{what}: {len(load.calls)} over {way}")


async def close_one(trial: Trial, run: Run) -> None:
    trial.switch("closed-1")
    await reach(run, ("ready", "unready"))
    await check_spared(trial, run, 1, (await run.pids("Shop"))[1], "no longer ready")
    trial.switch("closed-1", on=False)
    await reach(run, ("ready", "ready"))


async def start_closed(trial: Trial, run: Run) -> None:
    trial.switch("closed-0")
    kill = await kill_worker(run, "Shop", 0)
    _, spawned = await run.events.wait("spawned", "Shop", 0, after=kill.when)
    assert spawned.pid is not None
    await check_spared(trial, run, 0, spawned.pid, "not ready yet")
    trial.switch("closed-0", on=False)
    await reach(run, ("ready", "ready"))


async def close_all(trial: Trial, run: Run) -> None:
    for slot in range(2):
        trial.switch(f"closed-{slot}")
    await reach(run, ("unready", "unready"))
    over_sockets, over_http = loads(run)
    async with over_sockets, over_http:
        await asyncio.sleep(0.5)
        for slot in range(2):
            trial.switch(f"closed-{slot}", on=False)
        await reach(run, ("ready", "ready"))
    trial.expect(not over_sockets.failed, "callers over sockets do not wait")
    refused = [call for call in over_http.failed if isinstance(call.error, HttpProblemError)]
    is_clear = all(call.error.status == 503 for call in refused if isinstance(call.error, HttpProblemError))
    trial.expect(refused and is_clear and len(refused) == len(over_http.failed), "HTTP does not answer 503")
    trial.see(f"none ready: {len(refused)} of {len(over_http.calls)} over HTTP refused")
