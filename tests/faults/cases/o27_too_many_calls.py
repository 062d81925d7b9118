"""A hundred calls at once to a worker that takes twelve."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter

from harness import CallRecord, Run, Trial, case
from harness.processes import usage
from harness.raw_http import HttpProblemError, RawHttp, result_of

from dynamo_core import with_options
from dynamo_core.errors import OverloadedError

GRAPH = "load_services.py:Narrow"
CALLS = 100
TAKEN = 12
REFUSED_S = 0.1
MOST_BYTES_MORE = 8 * 1024 * 1024


@case("O27", "12 answered, 88 OverloadedError (HTTP 503 with Retry-After) <= 0.1 s each; memory flat")
async def call_too_much(trial: Trial) -> None:
    hold_s = trial.pick(1.0, 0.3)
    async with trial.start(GRAPH) as run:
        check(trial, await call_at_once(trial, run, hold_s), "OverloadedError")
        pid = (await run.pids("Narrow"))[0]
        before = usage(pid)
        for _ in range(trial.pick(3, 1)):
            check(trial, await call_at_once(trial, run, hold_s), "OverloadedError")
        requests = await request_at_once(trial, run, hold_s)
        check(trial, requests, "HttpProblemError")
        grown = usage(pid).rss_bytes - before.rss_bytes
    for call in requests:
        if isinstance(call.error, HttpProblemError):
            answer = call.error.answer
            trial.expect(answer.status == 503, f"HTTP {answer.status}: {answer.body!r}")
            trial.expect(answer.headers.get("retry-after", "").isdigit(), f"no Retry-After: {answer.headers}")
    trial.see(f"the worker grew by {grown / 2**20:.1f} MiB")
    trial.expect(grown <= MOST_BYTES_MORE, f"the worker grew by {grown / 2**20:.1f} MiB")


async def call_at_once(trial: Trial, run: Run, hold_s: float) -> list[CallRecord]:
    client = with_options(run.client("Narrow"), timeout_s=10)
    calls = [
        trial.ledger.record(lambda call_id: client.work(call_id, hold_s), service="Narrow", deadline_s=10)
        for _ in range(CALLS)
    ]
    return await asyncio.gather(*calls)


async def request_at_once(trial: Trial, run: Run, hold_s: float) -> list[CallRecord]:
    """The same over HTTP, on connections that are open already."""
    port = run.http_port("Narrow")
    connections = [await RawHttp.connect(port) for _ in range(CALLS)]

    async def request(http: RawHttp, call_id: str) -> object:
        answer = await http.request("/work", {"call_id": call_id, "hold_s": hold_s})
        result = result_of("Narrow", answer)
        assert result["call_id"] == call_id
        return result

    try:
        return await asyncio.gather(
            *(
                trial.ledger.record(functools.partial(request, http), service="Narrow", deadline_s=10)
                for http in connections
            )
        )
    finally:
        for http in connections:
            http.close()


def check(trial: Trial, calls: list[CallRecord], refusal: str) -> None:
    counts = Counter(call.outcome for call in calls)
    trial.expect(counts == {"ok": TAKEN, refusal: CALLS - TAKEN}, f"outcomes {dict(counts)}")
    for call in calls:
        if call.outcome == refusal:
            trial.within(f"a refusal as {refusal}", call.took_s, REFUSED_S)
        if isinstance(call.error, OverloadedError):
            trial.expect(call.error.limit == TAKEN, f"it tells another limit: {call.error}")
