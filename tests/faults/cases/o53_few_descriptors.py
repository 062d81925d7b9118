"""A worker may open 64 descriptors, and 200 connections are made to it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from harness import Run, Trial, case
from harness.callers import callers, members_of
from harness.processes import cpu_s
from harness.raw_http import RawHttp, ask

from dynamo_core import with_options

GRAPH = "load_services.py:Tight"
CONNECTIONS = 200
MOST_CPU = 0.5
RECOVERED_S = 2.0


@case("O53", "typed errors, CPU <= 50 %, recovers <= 2 s after")
async def connect_too_often(trial: Trial) -> None:
    async with trial.start(GRAPH) as run:
        await check_recovery(trial, run, 5.0)
        pid = (await run.pids("Tight"))[0]
        for name, connected in (("unix", by_socket(trial, run)), ("HTTP", by_http(trial, run))):
            before, began = cpu_s(pid), time.monotonic()
            outcomes = await connected
            share = (cpu_s(pid) - before) / (time.monotonic() - began)
            trial.see(f"{name}: {outcomes}, {100 * share:.0f} % of a core")
            if trial.is_timed:
                trial.expect(share <= MOST_CPU, f"{name}: the worker used {100 * share:.0f} % of a core")
            ended = time.monotonic()
            await check_recovery(trial, run, RECOVERED_S + 3.0)
            trial.within("recovered", time.monotonic() - ended, RECOVERED_S)
        trial.expect(not run.events.find("died"), "the worker has died")
        warned = [line.text for line in await run.log_lines("Tight")]
    trial.see(f"{len(warned)} log lines")
    trial.expect(any("Too many open files" in text for text in warned), f"nothing is told: {warned[:3]}")
    trial.expect(len(warned) <= 50, f"{len(warned)} log lines")
    trial.expect(not any("Traceback" in text for text in warned), f"{warned}")


async def by_socket(trial: Trial, run: Run) -> dict[str, int]:
    """Each caller has a connection of its own, and keeps it for a while."""
    definition = trial.graph(GRAPH).find_service("Tight")
    deadline_s = trial.pick(3.0, 1.0)
    async with callers(definition, await members_of(run, "Tight"), run.run_id, count=CONNECTIONS) as clients:
        calls = await asyncio.gather(
            *(
                trial.ledger.record(
                    with_options(client, timeout_s=deadline_s).work, service="Tight", deadline_s=deadline_s
                )
                for client in clients
            )
        )
    outcomes = Counter(call.outcome for call in calls)
    trial.expect(outcomes.keys() == {"ok", "deadline"}, f"outcomes {dict(outcomes)}")
    return dict(outcomes)


async def by_http(trial: Trial, run: Run) -> dict[str, int]:
    """Connections that ask for nothing."""
    port = run.http_port("Tight")
    connections = await asyncio.gather(*(RawHttp.connect(port) for _ in range(CONNECTIONS)))
    await asyncio.sleep(trial.pick(3.0, 0.5))
    for http in connections:
        http.close()
    return {"connections": len(connections)}


async def check_recovery(trial: Trial, run: Run, deadline_s: float) -> None:
    """Both ways answer, those who have just come included."""
    definition = trial.graph(GRAPH).find_service("Tight")
    async with callers(definition, await members_of(run, "Tight"), run.run_id) as clients:
        client = with_options(clients[0], timeout_s=deadline_s)
        record = await trial.ledger.record(client.work, service="Tight", deadline_s=deadline_s)
        trial.expect(record.outcome == "ok", f"a new caller: {record.error}")
    port = run.http_port("Tight")

    async def request(call_id: str) -> object:
        return await ask(port, "/work", {"call_id": call_id}, service="Tight")

    record = await trial.ledger.record(request, service="Tight", deadline_s=deadline_s)
    trial.expect(record.outcome == "ok", f"HTTP: {record.error!r}")
