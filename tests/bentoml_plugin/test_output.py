"""What workers write becomes lines."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from dynamo_bentoml.supervisor.output import LineCutter, WorkerOutput

from .runs_for_tests import eventually

if TYPE_CHECKING:
    from dynamo_core.logs.lines import LineBatch


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_are_the_same_however_the_stream_is_cut(size: int) -> None:
    """Carriage returns before an end belong to it; empty lines stay."""
    data = b"one\r\ntwo\n\nthree"
    cutter = LineCutter()
    found = [line for at in range(0, len(data), size) for line in cutter.feed(data[at : at + size])]
    assert [*found, *cutter.finish()] == [b"one", b"two", b"", b"three"]
    assert cutter.finish() == []


def test_long_line_is_cut() -> None:
    """So that it takes no more memory than a line may."""
    cutter = LineCutter(longest_bytes=4)
    assert cutter.feed(b"abcdefghi") == [b"abcd", b"efgh"]
    assert cutter.feed(b"\nxyz\n") == [b"i", b"xyz"]


async def test_both_streams_are_read_and_the_last_lines_kept() -> None:
    """Each batch says where it was written, and by whom."""
    batches: list[LineBatch] = []
    output = WorkerOutput(asyncio.get_running_loop(), batches.append, service="Backend", slot=3)
    ends = {}
    for stream in ("stdout", "stderr"):
        read_end, ends[stream] = os.pipe()
        output.attach(stream, read_end)
    os.write(ends["stdout"], b"hello\nworld\n")
    os.write(ends["stderr"], b"bad \xff \x1b[31m byte")
    for end in ends.values():
        os.close(end)
    output.finish()
    found = {(each.stream, text) for each in batches for text in each.texts}
    assert ("stdout", "hello") in found
    assert ("stderr", r"bad \xff \x1b[31m byte") in found
    assert {(each.service, each.slot) for each in batches} == {("Backend", 3)}
    assert set(output.last_lines) == {text for _, text in found}


async def test_pipe_that_something_else_still_holds_does_not_keep_the_end_waiting() -> None:
    """A child that a worker left behind may write on."""
    output = WorkerOutput(asyncio.get_running_loop(), lambda lines: None, service="Backend", slot=0)
    read_end, write_end = os.pipe()
    output.attach("stdout", read_end)
    os.write(write_end, b"last words\n")
    output.finish()
    assert output.last_lines == ("last words",)
    with pytest.raises(BrokenPipeError):
        eventually(lambda: os.write(write_end, b"x") < 0)
    os.close(write_end)
