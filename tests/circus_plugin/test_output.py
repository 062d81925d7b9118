"""Capture of what workers write."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from dynamo_circus.supervisor.output import KEPT_LINES, LineBuffer, OutputSink, WorkerOutput, printable


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


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\x1b[31mred", "\\x1b[31mred"),
        (b"a\x00b", "a\\x00b"),
        (b"a\rforged", "a\\rforged"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("tab\tand ünïcode".encode(), "tab\tand ünïcode"),
        ("line\u2028separator\x85".encode(), "line\\u2028separator\\x85"),
    ],
)
def test_control_characters_are_escaped(raw: bytes, shown: str) -> None:
    """No record can move the cursor or pretend to be another record."""
    assert printable(raw) == shown


async def test_worker_output_keeps_the_last_lines() -> None:
    """The last lines, both streams, are kept for a report."""
    written: list[str] = []
    output = WorkerOutput(asyncio.get_running_loop(), written.append)
    read_end, write_end = os.pipe()
    output.attach(read_end)
    os.write(write_end, b"".join(b"%d\n" % number for number in range(KEPT_LINES + 5)) + b"last")
    os.close(write_end)
    output.finish()
    assert len(output.last_lines) == KEPT_LINES
    assert output.last_lines[-1] == "last"
    assert written[0] == "0"


async def test_finish_returns_while_somebody_still_writes() -> None:
    """A child that left the group and floods the pipe does not hold the supervisor up."""
    output = WorkerOutput(asyncio.get_running_loop(), lambda line: None)
    read_end, write_end = os.pipe()
    output.attach(read_end)
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


def test_sink_drops_and_counts_what_is_read_too_slowly() -> None:
    """A stuck reader costs lines, not memory, and the loss is told."""
    read_end, write_end = os.pipe()
    sink = OutputSink(write_end, pending_lines=10)
    line = "z" * 60_000
    for _ in range(100):
        sink.write(line)
    received = bytearray()

    def read_all() -> None:
        while data := os.read(read_end, 65536):
            received.extend(data)

    reader = threading.Thread(target=read_all)
    reader.start()
    sink.write("end")
    sink.close(timeout_s=30)
    os.close(write_end)
    reader.join()
    os.close(read_end)
    assert b"lines were dropped" in received


def test_sink_writes_lines_in_order() -> None:
    """Everything queued before close comes out."""
    read_end, write_end = os.pipe()
    sink = OutputSink(write_end)
    for number in range(100):
        sink.write(str(number))
    sink.close()
    os.close(write_end)
    with os.fdopen(read_end, "rb") as reader:
        assert reader.read().split() == [b"%d" % number for number in range(100)]
