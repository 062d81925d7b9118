"""A service dies right after it was ready, again and again, until it is given up."""

from __future__ import annotations

import itertools

from harness import Trial, case
from harness.kills import kill_worker

from dynamo_core.provider import ServiceEvent

CAP_S = 30.0


@case(
    "O07",
    "gaps between spawns grow (each >= 1.5 x the last until the cap); <= 8 spawns in 10 s; then failed with cause; "
    "sibling answers 100 %",
)
async def crash_until_given_up(trial: Trial) -> None:
    limit = trial.pick(8, 5)
    overrides = (
        "--Crashing.ServiceArgs.supervision.on_failure=isolate",
        f"--Crashing.ServiceArgs.supervision.max_failures={limit}",
    )
    async with trial.start("Pair", *overrides) as run, run.load("Work", rate=50) as load:
        (trial.folder / "crashes").write_text("1000")
        kill = await kill_worker(run, "Crashing", 0)
        _, failed = await run.events.wait("failed", "Crashing", after=kill.when)
        state = await run.arbiter.stats("Crashing")
        deaths = run.events.find("died", "Crashing", after=kill.when)
        spawns = run.events.find("spawned", "Crashing", after=kill.when)
    gaps = [max(0.0, spawn[0] - death[0]) for death, spawn in zip(deaths, spawns, strict=False)]
    trial.see(f"{len(spawns)} spawns; waits {', '.join(f'{gap:.2f}' for gap in gaps)} s; {failed.detail}")
    check_waits(trial, gaps, [event for _, event in run.events.find("restarting", "Crashing")])
    in_10_s = [when for when, _ in spawns if when < kill.when + 10]
    trial.expect(len(in_10_s) <= 8, f"{len(in_10_s)} spawns in 10 s")
    trial.expect(len(spawns) <= limit, f"{len(spawns)} spawns with a limit of {limit}")
    trial.expect("status 3" in failed.detail, f"no cause: {failed.detail!r}")
    trial.expect((state.state, state.workers[0].state) == ("failed", "failed"), f"state {state}")
    trial.expect(not load.failed, f"{len(load.failed)} calls of the sibling failed: {load.failed[:1]}")
    trial.see(f"sibling answered {len(load.answered())} of {len(load.calls)}")


def check_waits(trial: Trial, gaps: list[float], told: list[ServiceEvent]) -> None:
    """Each wait must be 1.5 times the one before; what was announced in any case, and what was seen where time counts."""
    announced = [event.seconds or 0.0 for event in told][1:]  # the first one is immediate
    for before, after in itertools.pairwise(announced):
        trial.expect(
            after >= 1.5 * before or after >= 0.9 * CAP_S, f"a wait of {after:.2f} s after {before:.2f} s"
        )
    if trial.is_timed:
        for before, after in itertools.pairwise(gaps[1:]):
            trial.expect(
                after >= 1.5 * before, f"spawned after {after:.2f} s, before that after {before:.2f} s"
            )
