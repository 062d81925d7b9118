"""A service loses the connection of every call that it begins."""

from __future__ import annotations

import asyncio
from collections import Counter

from harness import Trial, case

from dynamo_core import with_options

GRAPH = "load_services.py:Cutting"
CALLS = 200
DEADLINE_S = 5.0


@case("O32", "attempts <= 1.2 x 200 + 3; all 200 have a typed outcome")
async def lose_every_connection(trial: Trial) -> None:
    async with trial.start(GRAPH) as run:
        client = with_options(run.client("Cutting"), timeout_s=DEADLINE_S)
        outcomes: Counter[str] = Counter()
        for _ in range(CALLS // 10):
            calls = await asyncio.gather(
                *(
                    trial.ledger.record(
                        client.work, service="Cutting", deadline_s=DEADLINE_S, is_idempotent=True
                    )
                    for _ in range(10)
                )
            )
            outcomes.update(call.outcome for call in calls)
    attempts = sum(line.what == "begin" for line in trial.service_ledger)
    trial.see(f"{attempts} attempts, outcomes {dict(outcomes)}")
    trial.expect(attempts <= 1.2 * CALLS + 3, f"{attempts} attempts for {CALLS} calls")
    trial.expect(
        outcomes.total() == CALLS and outcomes.keys() <= {"WorkerLostError", "deadline"}, f"{outcomes}"
    )
