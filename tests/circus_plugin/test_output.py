"""Capture of what workers write."""

from __future__ import annotations

import asyncio
import os
import threading
from datetime import UTC, datetime

from dynamo_circus.supervisor.output import KEPT_LINES, LONGEST_KEPT, LineBuffer, WorkerOutput
from dynamo_core.provider import LogLine


def test_line_split_over_reads_arrives_whole() -> None:
    """Lines are joined over any split of the bytes."""
    buffer = LineBuffer()
    assert [line for part in (b"a", b"b\nc", b"d\n\ne") for line in buffer.feed(part)] == [b"ab", b"cd", b""]
    assert buffer.finish() == [b"e"]


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
