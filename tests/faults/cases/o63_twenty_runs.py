"""Twenty graphs run side by side, and each leaves the others alone."""

from __future__ import annotations

import asyncio
import os
import signal

from harness import Run, Trial, case


@case(
    "O63",
    "20 runs at once: all answer; every other one is stopped or killed; the rest answers on, with the same workers",
    limit_s=240,
)
async def run_twenty(trial: Trial) -> None:
    count = trial.pick(20, 4)
    opened: asyncio.Queue[Run] = asyncio.Queue()
    killed: set[str] = set()
    ends = [asyncio.Event() for _ in range(count)]

    async def run_one(number: int) -> None:
        run_id = ""
        try:
            async with trial.start("Work", "--Work.ServiceArgs.workers=1", leaves_files=True) as run:
                run_id = run.run_id
                opened.put_nowait(run)
                await ends[number].wait()
        except Exception as error:
            trial.expect(run_id in killed, f"run {run_id}: {error!r}")

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(run_one(number)) for number in range(count)]
        runs = [await asyncio.wait_for(opened.get(), 120) for _ in range(count)]
        trial.expect(len({run.run_id for run in runs}) == count, "two runs have one id")
        await answer_all(trial, runs)
        staying = runs[1::2]
        before = [await run.pids("Work") for run in staying]
        for number, run in enumerate(runs[::2]):
            if number % 2:
                await run.arbiter.stop()
            else:
                killed.add(run.run_id)
                os.kill(run.supervisor_pid, signal.SIGKILL)
        await answer_all(trial, staying)
        after = [await run.pids("Work") for run in staying]
        trial.expect(before == after, f"workers of other runs were {before}, are {after}")
        for end in ends:
            end.set()
        await asyncio.wait(running)
    await trial.check_nothing_left(None, within_s=2.0)
    trial.see(f"{count} runs, {len(staying)} stayed")


async def answer_all(trial: Trial, runs: list[Run]) -> None:
    """Call every run."""
    records = await asyncio.gather(
        *(trial.ledger.record(run.client("Work").work, service="Work", deadline_s=20) for run in runs)
    )
    failed = [str(record.error) for record in records if record.outcome != "ok"]
    trial.expect(not failed, f"{len(failed)} of {len(runs)} did not answer: {failed[:3]}")
