"""An event loop on a thread of its own."""

from __future__ import annotations

import asyncio
import threading

import pytest

from dynamo_core.provider.loop_thread import LoopThread, RunEndedError


def test_what_is_asked_at_the_last_moment_is_refused_and_does_not_hang() -> None:
    """The main coroutine returns without giving the loop a chance to look at it."""
    thread = LoopThread("test")
    asked = threading.Event()
    outcome: list[str] = []

    async def late() -> None: ...

    def ask() -> None:
        future = thread._submit(late())
        asked.set()
        try:
            future.result()
        except BaseException as exc:
            outcome.append(type(exc).__name__)
        else:
            outcome.append("answered")

    async def main() -> None:
        asking.start()
        asked.wait()

    asking = threading.Thread(target=ask)
    thread.start(main)
    thread.join()
    asking.join()
    assert outcome in (["CancelledError"], ["answered"])


def test_cancelled_before_it_begins() -> None:
    """The main coroutine never runs."""
    thread = LoopThread("test")
    ran: list[int] = []

    async def main() -> None:
        ran.append(1)

    thread.cancel()
    thread.start(main)
    thread.join()
    assert ran == []


def test_cancelled_main_is_an_ended_run() -> None:
    """Whoever joins gets an error of ours, not a cancellation of its own."""
    thread = LoopThread("test")
    thread.start(asyncio.Event().wait)  # type: ignore[arg-type]  # what it returns does not matter
    thread.cancel()
    with pytest.raises(RunEndedError):
        thread.join()
    with pytest.raises(RunEndedError):
        thread.call(asyncio.sleep(0))
    thread.call_soon(lambda: None)
    thread.cancel()


def test_error_of_main_is_raised_by_join() -> None:
    """Unchanged."""
    thread = LoopThread("test")
    error = ValueError("mine")

    async def main() -> None:
        raise error

    thread.start(main)
    with pytest.raises(ValueError, match="mine") as caught:
        thread.join()
    assert caught.value is error


def test_steps_of_an_iteration_run_in_one_task() -> None:
    """Time limits and task groups around a yield depend on it."""
    thread = LoopThread("test")
    stop = asyncio.Event()
    tasks: list[object] = []

    async def source():  # type: ignore[no-untyped-def]  # an async generator of a test
        try:
            for number in range(3):
                tasks.append(asyncio.current_task())
                yield number
        finally:
            tasks.append(asyncio.current_task())

    async def main() -> None:
        await stop.wait()

    thread.start(main)
    assert list(thread.iterate(source)) == [0, 1, 2]
    assert len(tasks) == 4
    assert len(set(tasks)) == 1

    async def failing():  # type: ignore[no-untyped-def]  # as above
        yield 0
        raise ValueError("in the source")

    found = thread.iterate(failing)
    assert next(found) == 0
    with pytest.raises(ValueError, match="in the source"):
        next(found)
    assert list(found) == []
    thread.call_soon(stop.set)
    thread.join()
