"""What follows when a service is given up, by its policy."""

from __future__ import annotations

import asyncio
import os
import signal

from harness import Trial, case

from dynamo_core.errors import EXIT_SERVICE_FAILED


@case(
    "O65",
    "stop-graph: exit code 7, the message names the culprit, its exit status, its last lines; "
    "stop-dependents: those stop, others serve; restart: degraded, and whole again once it is healed",
    limit_s=90,
)
async def reach_the_limit(trial: Trial) -> None:
    for reach in (stop_graph, stop_dependents, degrade):
        (trial.folder / "crashes").write_text("0")
        await reach(trial)


def overrides(policy: str) -> tuple[str, str]:
    """Three failures are too many."""
    args = "--Crashing.ServiceArgs.supervision"
    return f"{args}.on_failure={policy}", f"{args}.max_failures=3"


async def stop_graph(trial: Trial) -> None:
    async with trial.serve("Pair", *overrides("stop-graph")) as served:
        await served.wait_ready()
        await crash(trial, (await served.status("Crashing")).workers[0].pid)
        code = await served.wait_exit()
    trial.see(f"stop-graph: exit code {code}")
    trial.expect(code == EXIT_SERVICE_FAILED, f"exit code {code}: {served.output[-800:]}")
    error = next((line for line in served.output.splitlines() if line.startswith("error:")), "")
    trial.expect(
        "Crashing" in error and "status 3" in error, f"the error does not name the culprit: {error!r}"
    )
    told = served.output[served.output.find(error) :]
    trial.expect("crashing now" in told, f"its last lines are not told: {told!r}")
    trial.expect("Traceback" not in served.output, served.output[-1500:])


async def stop_dependents(trial: Trial) -> None:
    async with trial.start("Pair", *overrides("stop-dependents")) as run, run.load("Work", rate=50) as load:
        await crash(trial, (await run.pids("Crashing"))[0])
        await run.events.wait("failed", "Crashing")
        async with asyncio.timeout(20):
            while (await run.arbiter.stats("Pair")).state != "stopped":
                await asyncio.sleep(0.01)
        states = {service.name: service.state for service in (await run.arbiter.status()).services}
        await asyncio.sleep(0.2)
    trial.see(f"stop-dependents: {states}")
    trial.expect(states == {"Crashing": "failed", "Work": "ready", "Pair": "stopped"}, f"states {states}")
    trial.expect(not load.failed, f"calls to the other service failed: {load.failed[:1]}")


async def degrade(trial: Trial) -> None:
    async with trial.start("Crashing", *overrides("restart")) as run:
        await crash(trial, (await run.pids("Crashing"))[0])
        _, event = await run.events.wait("degraded", "Crashing")
        degraded = await run.arbiter.stats("Crashing")
        (trial.folder / "crashes").write_text("0")
        await run.arbiter.restart("Crashing")
        async with asyncio.timeout(20):
            while (await run.arbiter.stats("Crashing")).state != "ready":
                await asyncio.sleep(0.01)
        record = await trial.ledger.record(run.client("Crashing").work, service="Crashing", deadline_s=5)
    trial.see(f"restart: {degraded.state}, {event.detail}")
    trial.expect(degraded.state == "degraded", f"state {degraded.state}")
    trial.expect("status 3" in event.detail, f"no cause: {event.detail!r}")
    trial.expect(record.outcome == "ok", f"healed and does not answer: {record.error}")


async def crash(trial: Trial, pid: int | None) -> None:
    """Have a service crash from now on."""
    (trial.folder / "crashes").write_text("1000")
    assert pid
    os.kill(pid, signal.SIGKILL)
