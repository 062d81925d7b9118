"""One of two workers answers slowly, only with errors, or not at all, and is well again later."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from harness import Load, Run, Trial, case

GRAPH = "load_services.py:Sick"
RATE = 100.0
NOTICED_S = 2.0
HEALED_S = 6.0
MOST_SHARE = 0.15
FAIR_SHARE = 0.35


@case(
    "O70",
    "it loses its share of calls <= 2 s, but for probes, and gets it back <= 6 s after it is well",
    limit_s=120,
)
async def be_ill(trial: Trial) -> None:
    for illness in ("slow", "errors", "frozen"):
        async with trial.start(GRAPH) as run, run.load("Sick", rate=RATE) as load:
            await asyncio.sleep(trial.pick(1.5, 0.8))
            pid = (await run.pids("Sick"))[1]
            switch(trial, illness, pid, on=True)
            began = time.monotonic()
            await until_share(
                trial, load, lambda share: share <= MOST_SHARE, f"{illness}: it loses its share"
            )
            trial.within(f"lost ({illness})", time.monotonic() - began, NOTICED_S)
            await asyncio.sleep(trial.pick(2.0, 0.5))
            switch(trial, illness, pid, on=False)
            began = time.monotonic()
            await until_share(trial, load, lambda share: share >= FAIR_SHARE, f"{illness}: it gets it back")
            trial.within(f"back ({illness})", time.monotonic() - began, HEALED_S)
            check_events(trial, run)
        check_calls(trial, load, illness)


def switch(trial: Trial, illness: str, pid: int, *, on: bool) -> None:
    if illness == "frozen":
        os.kill(pid, signal.SIGSTOP if on else signal.SIGCONT)
    else:
        trial.switch(illness, on=on)


async def until_share(trial: Trial, load: Load, claim: object, what: str) -> None:
    """Wait until the share of the second worker, of what was made in the last half second, is as claimed."""

    def share() -> float:
        since = time.monotonic() - 0.5
        begun = {
            line.call_id: line.slot
            for line in trial.service_ledger
            if line.what == "begin" and line.when > since
        }
        return sum(slot == 1 for slot in begun.values()) / max(1, len(begun))

    await trial.until(lambda: claim(share()), what, 30.0)  # type: ignore[operator]


def check_events(trial: Trial, run: Run) -> None:
    """Nobody was replaced: this is the callers' own doing."""
    trial.expect(not run.events.find("died"), "a worker has died")


def check_calls(trial: Trial, load: Load, illness: str) -> None:
    allowed = {"slow": set(), "errors": {"RemoteCallError"}, "frozen": {"deadline"}}[illness]
    outcomes = {call.outcome for call in load.failed}
    trial.expect(outcomes <= allowed, f"{illness}: {outcomes}: {load.failed[:1]}")
    trial.see(f"{illness}: {len(load.failed)} of {len(load.calls)} calls failed")
