"""What is done to a side beside its calls: start it to its first good answer, and kill what it calls.

A side that is started with :data:`FIRST` says ``answered`` after its first good answer, and stays until its input ends.
With :data:`RECOVER` it kills its backend under load and prints a :class:`Recovery` as JSON.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

import attrs

FIRST = "--first"
RECOVER = "--recover"
ANSWERED = "answered"

CALLS_PER_S = 50
BEFORE_S = 1.0
AFTER_S = 1.0
MOST_S = 12.0
TAKES_S = 0.02
"""Seconds that a call takes at the backend: as long as the time between two calls, so that one is being answered."""


@attrs.define
class Recovery:
    """What a kill has done to the calls around it.

    Attributes:
        seconds: From the kill to the first good answer of a call that was made after it.
        calls: Calls that were made.
        failed: Calls that failed.
        unbegun: Failed calls that the side itself says had not begun; -1 where it cannot say.
        error: The last failure.
    """

    seconds: float = MOST_S
    calls: int = 0
    failed: int = 0
    unbegun: int = -1
    error: str = ""


def hold() -> None:
    """Say that a good answer has come, and wait until nobody looks any more."""
    print(ANSWERED, flush=True)
    sys.stdin.read()


async def recover(
    ask: Callable[[], Awaitable[object]],
    kill: Callable[[], None],
    is_unbegun: Callable[[Exception], bool] | None = None,
) -> Recovery:
    """Call at a steady rate, kill what is called, and go on until it answers again.

    Args:
        ask: Makes one call; raises if it failed.
        kill: Kills the backend.
        is_unbegun: Whether a failure says that the call had not begun; None where none does.
    """
    found = Recovery(unbegun=-1 if is_unbegun is None else 0)
    killed = answered = 0.0

    async def one() -> None:
        nonlocal answered
        began = time.perf_counter()
        found.calls += 1
        try:
            await ask()
        except Exception as exc:  # noqa: BLE001  # counted, and shown
            found.failed += 1
            found.error = f"{type(exc).__name__}: {exc}".splitlines()[0][:200]
            if is_unbegun is not None:
                found.unbegun += is_unbegun(exc)
        else:
            if killed and began > killed and not answered:
                answered = time.perf_counter()

    await ask()
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(MOST_S * CALLS_PER_S)):
            tasks.create_task(one())
            await asyncio.sleep(max(0.0, began + (number + 1) / CALLS_PER_S - time.perf_counter()))
            if not killed and number + 1 >= BEFORE_S * CALLS_PER_S:
                kill()
                killed = time.perf_counter()
            if answered and time.perf_counter() > answered + AFTER_S:
                break
    found.seconds = answered - killed if answered else MOST_S
    return found
