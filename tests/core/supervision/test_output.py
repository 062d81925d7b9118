"""Capture of what workers write."""

from __future__ import annotations

import asyncio
import os
import threading
from datetime import UTC, datetime

import pytest

from dynamo_core.provider import LogLine
from dynamo_core.supervision.output import KEPT_LINES, LONGEST_KEPT, LineBuffer, WorkerOutput


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_are_the_same_however_the_stream_is_cut(size: int) -> None:
    """Carriage returns before an end belong to it; empty lines stay."""
    data = b"one\r\ntwo\n\nthree"
    buffer = LineBuffer()
    found = [line for at in range(0, len(data), size) for line in buffer.feed(data[at : at + size])]
    assert [*found, *buffer.finish()] == [b"one", b"two", b"", b"three"]
    assert buffer.finish() == []


def test_long_line_is_cut() -> None:
    """A line without an end does not grow the buffer."""
    buffer = LineBuffer(longest_bytes=10)
    assert buffer.feed(b"x" * 25) == [b"x" * 10, b"x" * 10]
    assert buffer.feed(b"\n") == [b"x" * 5]


def make_output(written: list[LogLine]) -> WorkerOutput:
    return WorkerOutput(asyncio.get_running_loop(), written.extend, service="Backend", slot=3)


async def test_worker_output_keeps_the_last_lines() -> None:
    """The last lines, both streams, are kept for a report."""
    written: list[LogLine] = []
    output = make_output(written)
    read_end, write_end = os.pipe()
    output.attach(read_end, "stdout")
    os.write(write_end, b"".join(b"%d\n" % number for number in range(KEPT_LINES + 5)) + b"last")
    os.close(write_end)
    output.finish()
    assert len(output.last_lines) == KEPT_LINES
    assert output.last_lines[-1] == "last"
    assert written[0].text == "0"


async def test_lines_carry_who_wrote_them_where_and_when() -> None:
    """Streams are told apart, and a line that says its level has it."""
    written: list[LogLine] = []
    output = make_output(written)
    for stream, text in (("stdout", b"Backend/7 | forged\n"), ("stderr", b"ERROR: app: broken\x1b[2J\n")):
        read_end, write_end = os.pipe()
        output.attach(read_end, stream)
        os.write(write_end, text)
        os.close(write_end)
    output.finish()
    assert [(line.service, line.slot, line.stream, line.level, line.text) for line in written] == [
        ("Backend", 3, "stdout", "info", "Backend/7 | forged"),
        ("Backend", 3, "stderr", "error", "ERROR: app: broken\\x1b[2J"),
    ]
    assert all(datetime.fromisoformat(line.time).tzinfo == UTC for line in written)


async def test_long_lines_are_cut_short_in_a_report() -> None:
    """They stand in messages and state, of which there are many."""
    output = make_output([])
    read_end, write_end = os.pipe()
    output.attach(read_end, "stderr")
    os.write(write_end, b"x" * 10_000)
    os.close(write_end)
    output.finish()
    assert output.last_lines == ("x" * LONGEST_KEPT + "…",)


async def test_pipe_that_somebody_else_holds_does_not_keep_a_worker_from_ending() -> None:
    """What was left behind may write on; nobody reads it."""
    output = make_output([])
    read_end, write_end = os.pipe()
    output.attach(read_end, "stdout")
    os.write(write_end, b"last words\n")
    output.finish()
    output.finish()
    assert output.last_lines == ("last words",)
    with pytest.raises(BrokenPipeError):
        os.write(write_end, b"x")
    os.close(write_end)


async def test_finish_returns_while_somebody_still_writes() -> None:
    """A child that left the group and floods the pipe does not hold the supervisor up."""
    output = make_output([])
    read_end, write_end = os.pipe()
    output.attach(read_end, "stdout")
    stop = threading.Event()

    def flood() -> None:
        try:
            while not stop.is_set():
                os.write(write_end, b"y\n" * 1000)
        except BrokenPipeError:
            pass

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        output.finish()
    finally:
        stop.set()
        thread.join()
        os.close(write_end)
