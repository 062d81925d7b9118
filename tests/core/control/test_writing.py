"""The state file is written beside the event loop, and never into a directory that is being removed."""

from __future__ import annotations

import asyncio
import threading

import pytest

from dynamo_core.control import RunState, writing
from dynamo_core.control.writing import write_to_its_end
from dynamo_core.errors import RunDirectoryError


@pytest.fixture
def state() -> RunState:
    return RunState(
        run_id="0123456789abcdef",
        provider="one",
        graph="Frontend",
        target="app:Frontend",
        supervisor_pid=1,
        supervisor_start_ticks=1,
        started_at="2026-11-23T10:00:00+00:00",
    )


async def test_who_is_cancelled_leaves_once_it_is_written(
    monkeypatch: pytest.MonkeyPatch, state: RunState
) -> None:
    """A thread cannot be cancelled; what comes next removes the directory."""
    has_begun, may_end, done = threading.Event(), threading.Event(), []

    def write_slowly(descriptor: int, state: RunState) -> None:
        has_begun.set()
        may_end.wait(20)
        done.append(state)

    monkeypatch.setattr(writing, "write_state", write_slowly)
    task = asyncio.ensure_future(write_to_its_end(-1, state))
    await asyncio.to_thread(has_begun.wait, 20)
    task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [state]


async def test_failed_write_is_logged(
    monkeypatch: pytest.MonkeyPatch, state: RunState, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk ends no run."""

    def fail(descriptor: int, state: RunState) -> None:
        raise RunDirectoryError("no space left")

    monkeypatch.setattr(writing, "write_state", fail)
    await write_to_its_end(-1, state)
    assert "no space left" in caplog.text
