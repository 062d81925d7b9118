"""Two hundred calls at once to four slots: by one caller, by many, and over HTTP."""

from __future__ import annotations

import asyncio
from collections import Counter

from harness import CallRecord, Run, Trial, case
from harness.callers import callers, members_of
from harness.raw_http import ask

from dynamo_core import with_options

GRAPH = "load_services.py:Wide"
CALLS = 200
CALLERS = 40
HTTP_BURSTS = 5
FAIR = range(35, 66)
NEARLY_FAIR = range(20, 101)  # whoever has just come may not have reached every slot yet


@case("O28", "each slot serves 50 +- 15; none idle")
async def burst(trial: Trial) -> None:
    async with trial.start(GRAPH) as run:
        check(trial, "one caller", Counter(call.answer.slot for call in await by_one(trial, run)), FAIR)
        check(
            trial,
            "many callers",
            Counter(call.answer.slot for call in await by_many(trial, run)),
            NEARLY_FAIR,
        )
        web: Counter[int] = Counter()
        for _ in range(HTTP_BURSTS):  # they share a queue: whoever runs at the moment takes what is in it
            web += Counter(call.answer["slot"] for call in await by_http(trial, run))
    trial.see(f"{HTTP_BURSTS} bursts over HTTP: {'/'.join(str(web[slot]) for slot in range(4))}")
    trial.expect(web.total() == HTTP_BURSTS * CALLS, f"HTTP: {web.total()} answers")
    share = HTTP_BURSTS * CALLS // 4
    trial.expect(all(share // 2 <= web[slot] <= 2 * share for slot in range(4)), f"HTTP: {dict(web)}")


def check(trial: Trial, who: str, slots: Counter[int], fair: range) -> None:
    trial.see(f"{who}: {'/'.join(str(slots[slot]) for slot in range(4))}")
    trial.expect(slots.total() == CALLS, f"{who}: {slots.total()} answers")
    trial.expect(all(slots[slot] in fair for slot in range(4)), f"{who}: {dict(slots)}")


async def by_one(trial: Trial, run: Run) -> list[CallRecord]:
    client = with_options(run.client("Wide"), timeout_s=10)
    return await asyncio.gather(
        *(trial.ledger.record(client.work, service="Wide", deadline_s=10) for _ in range(CALLS))
    )


async def by_many(trial: Trial, run: Run) -> list[CallRecord]:
    """Callers that know nothing of each other, and have just come."""
    definition = trial.graph(GRAPH).find_service("Wide")
    members = await members_of(run, "Wide")
    async with callers(definition, members, run.run_id, count=CALLERS) as clients:
        return await asyncio.gather(
            *(
                trial.ledger.record(with_options(client, timeout_s=10).work, service="Wide", deadline_s=10)
                for client in clients
                for _ in range(CALLS // CALLERS)
            )
        )


async def by_http(trial: Trial, run: Run) -> list[CallRecord]:
    """A connection for each request."""
    port = run.http_port("Wide")

    async def request(call_id: str) -> object:
        return await ask(port, "/work", {"call_id": call_id}, service="Wide")

    return await asyncio.gather(
        *(trial.ledger.record(request, service="Wide", deadline_s=10) for _ in range(CALLS))
    )
