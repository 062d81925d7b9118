"""Five hundred clients send one byte of a request's head each second."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from harness import CallRecord, Run, Trial, case
from harness.load import percentile
from harness.raw_http import ask

GRAPH = "web_services.py:Gate"
PROGRAM = Path(__file__).parents[1] / "programs" / "slow_heads.py"
CLOSED_S = 1.0
HARDLY_S = 0.2  # below this a share of requests says more about a machine whose cores are busy


@case("O33", "each closed <= header limit + 1 s; a good client meanwhile: 0 errors, p99 <= 3 x")
async def send_heads_slowly(trial: Trial) -> None:
    limit_s = trial.pick(5.0, 1.5)
    async with trial.start(GRAPH, f"--Door.ServiceArgs.http.header_timeout_s={limit_s}") as run:
        before = await good_requests(trial, run, "Door", trial.pick(3.0, 0.5))
        attacking = asyncio.create_task(attack(run.http_port("Door"), trial.pick(500, 50)))
        meanwhile, elsewhere = await asyncio.gather(
            good_requests(trial, run, "Door", limit_s), good_requests(trial, run, "Gate", limit_s)
        )
        closed = await attacking
    trial.see(f"{len(closed)} slow clients: {dict(Counter(status for _, status in closed))}")
    for seconds, _ in closed:
        trial.within("closed", seconds, limit_s + CLOSED_S)
        trial.expect(seconds >= 0.9 * limit_s, f"closed already after {seconds:.2f} s")
    for call in before + meanwhile + elsewhere:
        trial.expect(call.outcome == "ok", f"a good request failed: {call.outcome}: {call.error!r}")
    p99, beside = percentile(before, 0.99), percentile(elsewhere, 0.99)
    trial.see(f"p99 before {p99:.3f} s, meanwhile of a service that is not attacked {beside:.3f} s")
    trial.within("p99 of a good client", percentile(meanwhile, 0.99), max(3 * p99, 3 * beside, HARDLY_S))


async def attack(port: int, clients: int) -> list[tuple[float, str]]:
    """Have another process be the slow clients; seconds and status of each."""
    words = [sys.executable, str(PROGRAM), str(port), str(clients)]
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
    try:
        output, _ = await process.communicate()
    except BaseException:
        process.kill()
        raise
    found: list[tuple[float, str]] = json.loads(output)
    return found


async def good_requests(trial: Trial, run: Run, service: str, seconds: float) -> list[CallRecord]:
    """Forty requests a second, each on a connection of its own."""
    port = run.http_port(service)

    async def request(call_id: str) -> object:
        return await ask(port, "/ask", {"call_id": call_id}, service=service)

    made = []
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        made.append(asyncio.create_task(trial.ledger.record(request, service=service, deadline_s=5)))
        await asyncio.sleep(0.025)
    return await asyncio.gather(*made)
