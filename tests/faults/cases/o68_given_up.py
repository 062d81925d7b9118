"""A service is given up, or degraded: its callers must not wait for what will not come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from harness import CallRecord, Run, Trial, case
from harness.kills import kill_worker
from harness.raw_http import HttpProblemError, ask

GRAPH = "web_services.py:Street"
AT_ONCE_S = 0.2


@case(
    "O68",
    "ServiceUnavailableError naming service and cause <= 0.2 s, 503 over HTTP <= 0.2 s; "
    "restart and scale bring it back, HTTP at the same port; stop-dependents: in reverse order, and back with it",
    limit_s=90,
)
async def give_up(trial: Trial) -> None:
    for policy, way in (("isolate", "restart"), ("isolate", "scale"), ("restart", "restart")):
        async with trial.start(GRAPH, f"--Shaky.ServiceArgs.supervision.on_failure={policy}") as run:
            await fail(trial, run, policy)
            await check_refused(trial, run, policy)
            await bring_back(trial, run, way)
    await stop_dependents(trial)


async def fail(trial: Trial, run: Run, policy: str) -> None:
    trial.switch("shaky")
    kill = await kill_worker(run, "Shaky", 0)
    await run.events.wait("degraded" if policy == "restart" else "failed", "Shaky", after=kill.when)


def calls(run: Run) -> dict[str, Callable[[str], Awaitable[object]]]:
    """Every way to a service that is down."""
    port = run.http_port("Shaky")

    async def over_http(call_id: str) -> object:
        return await ask(port, "/work", {"call_id": call_id}, service="Shaky")

    return {"Shaky": run.client("Shaky").work, "Street": run.client("Street").work, "HTTP": over_http}


async def check_refused(trial: Trial, run: Run, policy: str) -> None:
    for who, call in calls(run).items():
        record = await trial.ledger.record(call, service="Shaky", deadline_s=5)
        trial.within(f"{policy}: refused over {who}", record.took_s, AT_ONCE_S)
        if who == "HTTP":
            error = record.error
            is_told = isinstance(error, HttpProblemError) and error.status == 503
            trial.expect(is_told and "retry-after" in error.answer.headers, f"{who}: {error!r}")
        else:
            trial.expect(
                record.outcome == "ServiceUnavailableError" and "exited with status 1" in str(record.error),
                f"{policy}: {who}: {record.outcome}: {record.error}",
            )
            trial.see(f"{policy}: {record.error}")


async def bring_back(trial: Trial, run: Run, way: str) -> None:
    trial.switch("shaky", on=False)
    await (run.arbiter.restart("Shaky") if way == "restart" else run.arbiter.scale("Shaky", 1))
    for who, call in calls(run).items():
        record = await trial.ledger.record(call, service="Shaky", deadline_s=5, is_idempotent=True)
        trial.expect(record.outcome == "ok", f"after {way}: {who}: {record.outcome}: {record.error}")


async def stop_dependents(trial: Trial) -> None:
    async with trial.start(GRAPH, "--Shaky.ServiceArgs.supervision.on_failure=stop-dependents") as run:
        street = run.client("Street")
        held = asyncio.create_task(
            trial.ledger.record(partial(street.work, hold_s=0.5), service="Street", deadline_s=5)
        )
        began = time.monotonic()
        await fail(trial, run, "stop-dependents")
        await run.events.wait("stopped", "Lobby")
        await check_stopped(trial, run, await held, began)
        trial.switch("shaky", on=False)
        await run.arbiter.restart("Shaky")
        await run.arbiter.wait_ready(20)
        record = await trial.ledger.record(street.work, service="Street", deadline_s=5)
        trial.expect(record.outcome == "ok", f"they do not come back: {record.error}")


async def check_stopped(trial: Trial, run: Run, held: CallRecord, began: float) -> None:
    ends = [line.call_id for line in trial.service_ledger if line.what == "shutdown" and line.when > began]
    trial.expect(ends == ["street", "lobby"], f"the order of stops is {ends}")
    trial.expect(
        held.outcome == "ok" or "Shaky" in str(held.error),
        f"a call that was held: {held.outcome}: {held.error}",
    )
    record = await trial.ledger.record(run.client("Street").work, service="Street", deadline_s=5)
    trial.within("stop-dependents: refused", record.took_s, AT_ONCE_S)
    trial.expect(
        record.outcome == "ServiceUnavailableError" and "because Shaky has failed" in str(record.error),
        f"stopped: {record.outcome}: {record.error}",
    )
