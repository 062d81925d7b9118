"""The state file of a run."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from dynamo_circus.supervisor import report as report_module
from dynamo_circus.supervisor.report import RunReport


class _Directory:
    def fileno(self) -> int:
        return 3


class _Run:
    directory = _Directory()


async def test_a_write_that_has_begun_ends_before_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would put a file into a directory that is just being removed."""
    has_begun, may_end = threading.Event(), threading.Event()

    def write_slowly(_descriptor: int, _state: object) -> None:
        has_begun.set()
        may_end.wait(30)

    monkeypatch.setattr(report_module, "write_state", write_slowly)
    run: Any = _Run()  # of which only the directory is looked at
    report = RunReport(run)
    monkeypatch.setattr(report, "state", lambda: None)
    writing = asyncio.create_task(report.keep_written())
    report.changed()
    await asyncio.to_thread(has_begun.wait, 30)
    writing.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not writing.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
