"""The last of three services is too slow for the deadline of the first call."""

from __future__ import annotations

import asyncio

from harness import CallRecord, Trial, case

from dynamo_core import with_options

GRAPH = "load_services.py:Outer"
DEADLINE_S = 1.0
SLOW_CALLS = 10


@case(
    "O30",
    "client error at 1.0 +- 0.15 s naming the slow service; C's task cancelled <= 0.3 s later; "
    "no late answer reaches another call",
)
async def wait_for_the_last(trial: Trial) -> None:
    async with trial.start(GRAPH) as run, run.load("Outer", rate=50) as load:
        client = with_options(run.client("Outer"), timeout_s=DEADLINE_S)
        slow: list[CallRecord] = await asyncio.gather(
            *(
                trial.ledger.record(
                    lambda call_id: client.work(call_id, 10.0), service="Outer", deadline_s=DEADLINE_S
                )
                for _ in range(trial.pick(SLOW_CALLS, 3))
            )
        )
        ids = {call.call_id for call in slow}

        def cancelled() -> dict[str, float]:
            lines = trial.service_ledger
            return {
                line.call_id: line.when for line in lines if line.what == "cancelled" and line.call_id in ids
            }

        await trial.until(lambda: cancelled().keys() == ids, "the slow calls are cancelled", 3.0)
        when = cancelled()
        await asyncio.sleep(trial.pick(1.0, 0.2))
    for call in slow:
        trial.expect(call.outcome == "deadline", f"{call.outcome}: {call.error}")
        trial.expect("Deep" in str(call.error), f"the slow service is not named: {call.error}")
        trial.within("error", call.took_s, DEADLINE_S + 0.15)
        trial.expect(call.took_s >= DEADLINE_S - 0.15, f"the error came after {call.took_s:.3f} s")
        trial.within("cancelled after the error", max(0.0, when[call.call_id] - call.ended), 0.3)
    trial.see(f"{slow[0].error}; meanwhile {len(load.answered())} of {len(load.calls)} other calls answered")
    trial.expect(not load.failed, f"another call failed: {load.failed[:1]}")
