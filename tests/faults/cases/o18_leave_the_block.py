"""The block of ``run_services`` is left by an exception."""

from __future__ import annotations

import asyncio
import time

from harness import Trial, case

from dynamo_circus import CircusDeploymentTarget
from dynamo_core.provider.binding import run_graph

GRACE_S = 3.0
ONE = "--Work.ServiceArgs.workers=1"


class OwnError(Exception):
    """Of the caller's own."""


@case("O18", "that exception comes out unchanged; I4 <= grace + 1 s")
async def leave_by_exceptions(trial: Trial) -> None:
    for make in (lambda: OwnError("mine"), lambda: SystemExit(5), KeyboardInterrupt):
        for leave in trial.pick((leave_async, leave_blocking), (leave_blocking,)):
            thrown = make()
            caught, left_at = await leave(trial, thrown)
            name = f"{type(thrown).__name__} by {leave.__name__}"
            trial.expect(caught is thrown, f"{name}: {caught!r} came out")
            trial.expect(
                not isinstance(caught, BaseException) or caught.__cause__ is None, f"{name}: has a cause"
            )
            trial.within("stopped", time.monotonic() - left_at, GRACE_S + 1)
            await trial.check_nothing_left(None)


async def leave_async(trial: Trial, thrown: BaseException) -> tuple[BaseException | None, float]:
    """What comes out of ``async with``, and when the block was left."""
    left_at = 0.0
    try:
        async with run_graph(CircusDeploymentTarget(), trial.graph("Work", ONE)):
            left_at = time.monotonic()
            raise thrown
    except BaseException as error:
        return error, left_at


async def leave_blocking(trial: Trial, thrown: BaseException) -> tuple[BaseException | None, float]:
    """The same of a plain ``with``, in a thread without a loop."""

    def leave() -> tuple[BaseException | None, float]:
        left_at = 0.0
        try:
            with run_graph(CircusDeploymentTarget(), trial.graph("Work", ONE)):
                left_at = time.monotonic()
                raise thrown
        except BaseException as error:
            return error, left_at

    return await asyncio.to_thread(leave)
