"""Telling whether code runs on a client's event loop."""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import threading

import pytest

from dynamo_core.client.home import HomeLoop


def outside(home: HomeLoop) -> list[bool]:
    """What another thread finds, without a loop and with one."""
    found = []

    async def ask() -> None:
        found.append(home.is_current())

    def run() -> None:
        found.append(home.is_current())
        asyncio.run(ask())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found


async def test_the_loop_is_found_again():
    """The second answer comes from memory, and is the same."""
    home = HomeLoop(asyncio.get_running_loop())
    assert [home.is_current(), home.is_current()] == [True, True]


async def test_other_threads_are_elsewhere():
    """Before and after it has been found, with a loop of their own or without."""
    home = HomeLoop(asyncio.get_running_loop())
    assert await asyncio.to_thread(outside, home) == [False, False]
    assert home.is_current()
    assert await asyncio.to_thread(outside, home) == [False, False]


def test_a_loop_that_has_stopped_is_not_the_one_that_runs():
    """Though it is the same thread."""
    with asyncio.Runner() as runner, asyncio.Runner() as other:
        home = HomeLoop(runner.get_loop())

        async def ask() -> bool:
            return home.is_current()

        assert runner.run(ask())
        assert not home.is_current()
        assert not other.run(ask())
        assert runner.run(ask())


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
async def test_a_forked_process_is_elsewhere():
    """Its parent's loop looks as if it ran there, too."""
    home = HomeLoop(asyncio.get_running_loop())
    assert home.is_current()
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=lambda: answers.put(home.is_current()))
    process.start()
    process.join()
    assert answers.get() is False
    process.close()
    answers.close()
