"""SIGTERM at random moments of whatever a run can be busy with."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable

from harness import Served, Trial, case

from dynamo_core.errors import EXIT_OK, DynamoError

MARGIN_S = 1.0


@case(
    "O15",
    "gone <= grace + 1 s each, exit code as documented, I4, no ConflictError anywhere",
    limit_s=240,
    is_random=True,
)
async def sigterm_at_random_moments(trial: Trial) -> None:
    modes = [
        ("Slow", 3.0, starting),
        ("Pair", 3.0, crashing),
        ("StubbornPair", 2.0, stopping_slowly),
        ("Slow", 3.0, reloading),
        ("Work", 3.0, scaling),
    ]
    for number in range(trial.pick(20, 5)):
        entry, grace_s, mode = modes[number % len(modes)]
        (trial.folder / "crashes").write_text("0")
        async with trial.serve(entry) as served:
            async with mode(trial, served):
                await asyncio.sleep(trial.random.random() * trial.pick(1.5, 0.5))
                told = served.signal(signal.SIGTERM)
                code = await served.wait_exit()
            trial.within(f"gone while {mode.__name__}", time.monotonic() - told, grace_s + MARGIN_S)
        said = f"{mode.__name__}: exit code {code}: {served.output[-800:]}"
        trial.expect(code == EXIT_OK, said)
        trial.expect("ConflictError" not in served.output, said)
        trial.expect("Traceback" not in served.output, said)


@contextlib.asynccontextmanager
async def starting(_trial: Trial, served: Served) -> AsyncIterator[None]:
    """Workers have not been ready yet."""
    await served.wait_run()
    yield


@contextlib.asynccontextmanager
async def crashing(trial: Trial, served: Served) -> AsyncIterator[None]:
    """One service dies again and again."""
    await served.wait_ready()
    (trial.folder / "crashes").write_text("1000")
    yield


@contextlib.asynccontextmanager
async def stopping_slowly(_trial: Trial, served: Served) -> AsyncIterator[None]:
    """A worker that does not heed SIGTERM is being stopped, as others do not that stop before it."""
    await served.wait_ready()
    async with await served.control() as control, meanwhile(control.scale("Stubborn", 1)):
        yield


@contextlib.asynccontextmanager
async def reloading(_trial: Trial, served: Served) -> AsyncIterator[None]:
    """A service's workers are being replaced."""
    await served.wait_ready()
    async with await served.control() as control, meanwhile(control.restart("Slow")):
        yield


@contextlib.asynccontextmanager
async def scaling(_trial: Trial, served: Served) -> AsyncIterator[None]:
    """A service gets more workers."""
    await served.wait_ready()
    async with await served.control() as control, meanwhile(control.scale("Work", 4)):
        yield


@contextlib.asynccontextmanager
async def meanwhile(work: Awaitable[None]) -> AsyncIterator[None]:
    """Do *work* beside the block; the run's end may end it in any way."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, DynamoError):
            await task
