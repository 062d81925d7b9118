"""Everything that can be done to a run is done to it, in an order that the seed chooses."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable

from harness import Run, Trial, case
from harness.kills import Kill, check_losses, kill_worker

from dynamo_core.errors import ServiceFailedError

MOST = 4


@case(
    "O59",
    "kills, freezes, restarts, broken versions, scaling, a killed guardian, all at once: what fails was begun on a "
    "worker that was killed; idempotent calls do not; in the end every worker is ready",
    limit_s=180,
    is_random=True,
)
async def do_anything(trial: Trial) -> None:
    chaos = Chaos(trial)
    overrides = (
        "--Work.ServiceArgs.supervision.watchdog_s=1",
        "--Work.ServiceArgs.supervision.max_failures=1000",
    )
    async with (
        trial.start("Work", *overrides) as run,
        run.load("Work", rate=40) as once,
        run.load("Work", rate=40, endpoint="again", is_idempotent=True) as again,
    ):
        until = time.monotonic() + trial.pick(30.0, 5.0)
        while time.monotonic() < until:
            await chaos.do_something(run)
            await asyncio.sleep(trial.random.random() * 0.4)
        await chaos.finish()
        await run.arbiter.wait_ready(30)
        state = await run.arbiter.stats("Work")
        trial.expect(state.ready_workers == len(state.workers), f"in the end: {state}")
    trial.see(
        f"{len(chaos.kills)} kills among {', '.join(f'{n} {what}' for what, n in sorted(chaos.done.items()))}"
    )
    trial.see(
        f"others: {len(once.failed)} of {len(once.calls)} failed; idempotent: {len(again.failed)} of {len(again.calls)}"
    )
    frozen = [
        Kill("Work", event.slot or 0, event.pid or 0, when) for when, event in trial.events.find("died")
    ]
    check_losses(trial, once, [*chaos.kills, *frozen], told_s=3.0)
    check_losses(trial, again, [*chaos.kills, *frozen], told_s=3.0)
    trial.expect(
        len(again.failed) <= 0.01 * len(again.calls), f"failed: {[str(c.error) for c in again.failed[:3]]}"
    )


class Chaos:
    """Does things to a run that a seed chooses.

    Attributes:
        kills: Workers that were killed.
        done: How often what was done.
    """

    def __init__(self, trial: Trial) -> None:
        self.kills: list[Kill] = []
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

    def _beside(self, work: Awaitable[None]) -> None:
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
                self.kills.append(await kill_worker(run, "Work", slot))

    async def freeze(self, run: Run) -> None:
        slot = await self._some_worker(run)
        if slot is not None:
            with contextlib.suppress(ProcessLookupError, IndexError):
                await kill_worker(run, "Work", slot, signal.SIGSTOP)

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
