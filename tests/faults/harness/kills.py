"""Workers that are killed, and what has to follow."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynamo_core.errors import WorkerLostError

if TYPE_CHECKING:
    from harness.load import Load
    from harness.run import Run
    from harness.trial import Trial

TOLD_S = 0.1
BACK_S = 0.1
ANSWERS_S = 0.3
MARKED_ONLY_SHARE = 10


@dataclass(frozen=True)
class Kill:
    """A worker's death.

    Attributes:
        service: Its service.
        slot: Its slot.
        pid: Its process.
        when: When it was killed, ``time.monotonic()``.
    """

    service: str
    slot: int
    pid: int
    when: float


async def kill_worker(run: Run, service: str, slot: int, number: int = signal.SIGKILL) -> Kill:
    """Send a signal, SIGKILL if nothing else is said, to the worker of a slot.

    Raises:
        ProcessLookupError: There is none now.
    """
    pid = (await run.pids(service))[slot]
    if not pid:
        raise ProcessLookupError(f"slot {slot} of {service} has no worker")
    when = time.monotonic()
    os.kill(pid, number)
    return Kill(service, slot, pid, when)


async def wait_replaced(trial: Trial, run: Run, kill: Kill, load: Load | None = None) -> int:
    """Wait until a killed worker's successor is ready, and has answered if there is load; its process."""
    spawned, event = await run.events.wait("spawned", kill.service, kill.slot, after=kill.when)
    trial.within("back", spawned - kill.when, BACK_S)
    assert event.pid is not None
    if load is None:
        await run.events.wait("ready", kill.service, kill.slot, after=spawned)
    else:
        answered = await load.first_answer_of(event.pid)
        trial.within("answers", answered - kill.when, run.boot_s(kill.service) + ANSWERS_S)
    return event.pid


def check_losses(
    trial: Trial, load: Load, kills: Sequence[Kill], *, told_s: float = TOLD_S, may_time_out: bool = False
) -> None:
    """Every failure must be the loss of a call that a killed worker had begun, told at once.

    Where there may be no worker for longer than a deadline, calls may time out too.

    A worker that dies between taking note of a call and the first line of its method leaves no line in the service
    ledger; such a call may be lost too, but that is rare.
    """
    lines = trial.service_ledger
    latest, only_marked = 0.0, []
    for call in load.failed:
        if may_time_out and call.outcome == "deadline":
            continue
        if not trial.expect(
            isinstance(call.error, WorkerLostError) and call.error.begun,
            f"call {call.call_id}: {call.outcome}: {call.error}",
        ):
            continue
        begun_on = {line.pid for line in lines if line.call_id == call.call_id and line.what == "begin"}
        times = [kill.when for kill in kills if kill.pid in begun_on]
        if times:
            latest = max(latest, call.ended - times[0])
        elif begun_on or not any(f"process {kill.pid}:" in str(call.error) for kill in kills):
            trial.expect(False, f"call {call.call_id} failed and was not on a killed worker: {call.error}")
        else:
            only_marked.append(call)
    if load.failed:
        trial.within("a lost call's error", latest, told_s)
    if only_marked:
        trial.see(f"{len(only_marked)} lost before the first line of the method")
    trial.expect(
        len(only_marked) <= 1 + len(kills) // MARKED_ONLY_SHARE,
        f"{len(only_marked)} calls failed that had not begun: {[str(call.error) for call in only_marked[:3]]}",
    )
