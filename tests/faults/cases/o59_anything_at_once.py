"""Everything that can be done to a run is done to it, in an order that the seed chooses."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from harness import Run, Trial, case
from harness.kills import Kill, check_losses, kill_worker

from dynamo_core.errors import ServiceFailedError

MOST = 4
MOST_BESIDE = 3


@case(
    "O59",
    "kills, freezes, restarts, broken versions, scaling, a killed guardian, all at once: whatever fails was on a worker "
    "that was killed or frozen, or found none in time; in the end every worker is ready and all is answered",
    limit_s=180,
    is_random=True,
)
async def do_anything(trial: Trial) -> None:
    chaos = Chaos(trial)
    overrides = (
        "--Work.ServiceArgs.supervision.watchdog_s=1",
        "--Work.ServiceArgs.supervision.max_failures=1000",
        "--Work.ServiceArgs.supervision.stop_timeout_s=1",
    )
    async with trial.start("Work", *overrides) as run:
        async with (
            run.load("Work", rate=40) as once,
            run.load("Work", rate=40, endpoint="again", is_idempotent=True) as again,
        ):
            until = time.monotonic() + trial.pick(30.0, 4.0)
            while time.monotonic() < until:
                await chaos.do_something(run)
                await asyncio.sleep(trial.random.random() * 0.8)
            await chaos.finish()
            await run.arbiter.wait_ready(60)
        state = await run.arbiter.stats("Work")
        trial.expect(state.ready_workers == len(state.workers), f"in the end: {state}")
        async with run.load("Work") as calm:
            await asyncio.sleep(0.5)
        trial.expect(not calm.failed, f"in the end: {[str(call.error) for call in calm.failed[:3]]}")
    trial.see(", ".join(f"{count} {what}" for what, count in sorted(chaos.done.items())))
    for name, load in (("others", once), ("idempotent", again)):
        late = sum(call.outcome == "deadline" for call in load.failed)
        trial.see(f"{name}: {len(load.failed)} of {len(load.calls)} failed, {late} past their deadline")
        check_losses(trial, load, chaos.victims, told_s=5.0, may_time_out=True)


class Chaos:
    """Does things to a run that a seed chooses.

    Attributes:
        victims: Workers that were killed or frozen.
        done: How often what was done.
    """

    def __init__(self, trial: Trial) -> None:
        self.victims: list[Kill] = []
        self.done: dict[str, int] = {}
        self._trial = trial
        self._tasks: set[asyncio.Task[None]] = set()
        self._doings: list[Callable[[Run], Awaitable[None]]] = [
            self.kill,
            self.kill,
            self.freeze,
            self.restart,
            self.restart_broken,
            self.scale,
            self.kill_guardian,
        ]

    async def do_something(self, run: Run) -> None:
        """Do one thing; what takes long goes on beside the next one."""
        doing = self._trial.random.choice(self._doings)
        self.done[doing.__name__] = self.done.get(doing.__name__, 0) + 1
        await doing(run)

    async def finish(self) -> None:
        """Wait for what still goes on."""
        await asyncio.gather(*self._tasks)

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        if len(self._tasks) >= MOST_BESIDE:
            work.close()
            return

        async def do() -> None:
            with contextlib.suppress(ServiceFailedError):  # whatever is started may be killed
                await work

        task = asyncio.create_task(do())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _some_worker(self, run: Run) -> int | None:
        pids = await run.pids("Work")
        slot = self._trial.random.randrange(len(pids))
        return slot if pids[slot] else None

    async def kill(self, run: Run) -> None:
        slot = await self._some_worker(run)
        if slot is not None:
            with contextlib.suppress(ProcessLookupError, IndexError):
                self.victims.append(await kill_worker(run, "Work", slot))

    async def freeze(self, run: Run) -> None:
        slot = await self._some_worker(run)
        if slot is not None:
            with contextlib.suppress(ProcessLookupError, IndexError):
                self.victims.append(await kill_worker(run, "Work", slot, signal.SIGSTOP))

    async def restart(self, run: Run) -> None:
        self._beside(run.arbiter.restart("Work"))

    async def restart_broken(self, run: Run) -> None:
        async def restart() -> None:
            self._trial.switch("broken work")
            try:
                await run.arbiter.restart("Work")
            finally:
                self._trial.switch("broken work", on=False)

        self._beside(restart())

    async def scale(self, run: Run) -> None:
        self._beside(run.arbiter.scale("Work", self._trial.random.randint(1, MOST)))

    async def kill_guardian(self, run: Run) -> None:
        for found in run.processes():
            if run.run_id in found.argv:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(found.pid, signal.SIGKILL)
