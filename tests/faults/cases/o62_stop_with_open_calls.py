"""A run is stopped while calls are open along a chain."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

import httpx
from harness import CallRecord, Trial, case

from dynamo_core.errors import EXIT_OK

GRACE_S = 3.0


@case(
    "O62",
    "calls that end within the grace are answered, over HTTP and along the chain; longer ones are cancelled, shutdown "
    "hooks run all the same, nobody has to be killed, gone <= grace + 1 s, exit code 0",
)
async def stop_with_open_calls(trial: Trial) -> None:
    for hold_s, count in ((trial.pick(1.0, 0.5), 4), (30.0, 2)):
        trial.see(f"calls of {hold_s:g} s:")
        async with trial.serve("Web", "--port=0") as served:
            status = await served.wait_ready()
            web = status.find_service("Web")
            assert web is not None
            before = len(trial.service_ledger)
            async with httpx.AsyncClient(base_url=str(web.http_url), timeout=60) as client:
                calls = [asyncio.create_task(ask(trial, client, hold_s)) for _ in range(count)]
                async with asyncio.timeout(10):
                    while sum(line.what == "begin" for line in trial.service_ledger[before:]) < count:
                        await asyncio.sleep(0.01)
                told = served.signal(signal.SIGTERM)
                code = await served.wait_exit()
                took_s = time.monotonic() - told
                records = await asyncio.gather(*calls, return_exceptions=True)
        lines = trial.service_ledger[before:]
        trial.expect(code == EXIT_OK, f"exit code {code}: {served.output[-800:]}")
        trial.expect("was killed" not in served.output, f"killed: {served.output[-800:]}")
        hooks = {line.slot for line in lines if line.what == "shutdown"}
        trial.expect(hooks == {0, 1}, f"shutdown hooks ran in slots {sorted(hooks)} of Work")
        if hold_s > GRACE_S:
            check_cut_off(trial, lines, count)
            trial.within("stopped", took_s, GRACE_S + 1)
        else:
            answered = sum(isinstance(record, CallRecord) and record.outcome == "ok" for record in records)
            trial.expect(answered == count, f"{count - answered} were not answered: {records}")
            trial.see(f"{answered} of {count} answered")
            trial.within("stopped early", took_s, GRACE_S)


def check_cut_off(trial: Trial, lines: list[Any], count: int) -> None:
    """Calls that would take longer than the grace were cancelled in the worker."""
    cancelled = sum(line.what == "cancelled" for line in lines)
    trial.see(f"{cancelled} of {count} cancelled")
    trial.expect(cancelled == count, f"{cancelled} of {count} long calls were cancelled")


async def ask(trial: Trial, client: httpx.AsyncClient, hold_s: float) -> CallRecord | None:
    """One call by HTTP; None for one that is too long to be answered, whatever its caller meets."""

    async def post(call_id: str) -> Any:
        response = await client.post("/ask", json={"call_id": call_id, "hold_s": hold_s})
        response.raise_for_status()
        return response.json()

    if hold_s < GRACE_S:
        return await trial.ledger.record(post, service="Web", deadline_s=20)
    await post(f"long-{time.monotonic()}")
    return None
