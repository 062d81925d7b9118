"""Workers that stop answering without ending: what the watchdog has to make of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from dynamo_core import with_options
from harness.load import percentile
from harness.processes import is_alive

if TYPE_CHECKING:
    from harness.ledgers import CallRecord
    from harness.load import Load
    from harness.run import Run
    from harness.trial import Trial

SLOT = 1
HELD = 3


def overrides(trial: Trial) -> tuple[float, str]:
    """The watchdog's limit, and what sets it."""
    watchdog_s = trial.pick(2.0, 1.0)
    return watchdog_s, f"--Work.ServiceArgs.supervision.watchdog_s={watchdog_s}"


async def open_calls(trial: Trial, run: Run) -> list[asyncio.Task[CallRecord]]:
    """Calls that one slot's worker has begun and does not finish by itself."""
    client = with_options(run.client("Work"), routing=SLOT)
    ids: set[str] = set()

    def call(call_id: str) -> Awaitable[object]:
        ids.add(call_id)
        held: Awaitable[object] = client.work(call_id, 30.0)
        return held

    calls = [
        asyncio.create_task(trial.ledger.record(call, service="Work", deadline_s=40)) for _ in range(HELD)
    ]
    async with asyncio.timeout(10):
        while sum(line.what == "begin" and line.call_id in ids for line in trial.service_ledger) < HELD:
            await asyncio.sleep(0.005)
    return calls


def other_slot(run: Run) -> Load:
    """Load on the other slot alone."""
    return run.load(
        "Work",
        endpoint=lambda client, call_id: with_options(client, routing=1 - SLOT).work(call_id),
        rate=30,
    )


async def check_replaced(
    trial: Trial, run: Run, load: Load, watchdog_s: float, frozen: tuple[int, float]
) -> None:
    """A worker that was frozen is ended and replaced, and its calls fail; the other one goes on.

    Args:
        frozen: Its process, and when it was frozen.
    """
    pid, when = frozen
    died, event = await run.events.wait("died", "Work", SLOT, after=when)
    trial.within("ended", died - when, watchdog_s + 1.0)
    trial.see(event.detail)
    trial.expect(
        "watchdog" in event.detail.lower(), f"the cause does not name the watchdog: {event.detail!r}"
    )
    spawned, successor = await run.events.wait("spawned", "Work", SLOT, after=when)
    trial.within("replaced", spawned - when, watchdog_s + 1.0)
    trial.expect(not is_alive(pid), "the frozen process is there")
    assert successor.pid is not None
    await load.first_answer_of(successor.pid)


def check_calls(trial: Trial, calls: list[CallRecord], watchdog_s: float, when: float) -> None:
    """Calls on a frozen worker fail with a typed error, as soon as it was ended."""
    for call in calls:
        trial.expect(call.outcome == "WorkerLostError", f"call {call.call_id}: {call.outcome}: {call.error}")
        trial.within("an open call's error", call.ended - when, watchdog_s + 0.5)


def check_other_slot(trial: Trial, load: Load, when: float) -> None:
    """The other slot's worker was not touched."""
    trial.expect(
        not load.failed, f"calls to the other slot failed: {[str(c.error) for c in load.failed[:3]]}"
    )
    trial.expect(len({call.answer.pid for call in load.answered()}) == 1, "the other slot has another worker")
    p99 = percentile(load.answered(until=when), 0.99)
    trial.see(f"p99 of the other slot before {p99:.3f}")
    trial.within("then", percentile(load.answered(since=when), 0.99), 3 * p99)
