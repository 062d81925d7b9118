"""Messages that never block who gives them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading

import pytest

from dynamo_core.cli.console import message
from dynamo_core.cli.line_writer import LineWriter, RecordHandler, write_lines
from dynamo_core.provider import LogLine


def test_leaving_writes_everything_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    """Messages and lines alike."""
    with LineWriter() as lines:
        lines.message("one", kind="warning")
        lines.message_line("tw", ("o", "good"))
        for number in range(100):
            lines.message(str(number))
    _, err = capsys.readouterr()
    assert err.splitlines() == ["warning: one", "two", *map(str, range(100))]


def test_what_does_not_fit_is_dropped_and_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever gives messages goes on."""
    is_writing, may_go_on = threading.Event(), threading.Event()

    def write_slowly(text: str, *, kind: str = "") -> None:
        is_writing.set()
        assert may_go_on.wait(30)
        message(text, kind=kind)  # type: ignore[arg-type]  # one of the kinds

    monkeypatch.setattr("dynamo_core.cli.line_writer.message", write_slowly)
    with LineWriter(most_bytes=600) as lines:  # of messages, twice as much: two of them
        lines.message("first")
        assert is_writing.wait(30)
        for number in range(5):
            lines.message(str(number))
        may_go_on.set()
    assert capsys.readouterr().err.splitlines() == [
        "first",
        "0",
        "1",
        "warning: 3 lines were dropped: they are read too slowly",
    ]


def test_flood_of_lines_leaves_room_for_messages(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the run itself says is not lost in what a worker writes, and lines that are lost are counted."""
    is_writing, may_go_on = threading.Event(), threading.Event()

    def write_slowly(lines: list[LogLine]) -> None:
        is_writing.set()
        assert may_go_on.wait(30)
        write_lines(lines)

    monkeypatch.setattr("dynamo_core.cli.line_writer.write_lines", write_slowly)
    flood = [LogLine(service="Backend", slot=0, text="flood")] * 10
    with LineWriter(most_bytes=6000) as lines:
        lines.show_lines(flood[:1])
        assert is_writing.wait(30)
        for _ in range(100):
            lines.show_lines(flood)
        lines.message("Backend/0 died")
        may_go_on.set()
    shown = capsys.readouterr().err.splitlines()
    assert shown == [
        *["Backend/0 | flood"] * 21,
        "Backend/0 died",
        "warning: 980 lines were dropped: they are read too slowly",
    ]


STUCK = """
import os, sys
from dynamo_core.cli.line_writer import LineWriter
with LineWriter() as lines:
    for number in range(1000):
        lines.message("x" * 1000)
os.write(1, b"done")
os._exit(0)
"""


def test_reader_that_does_not_read_keeps_nobody() -> None:
    """Not even at the end."""
    read, write = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=write, timeout=50, check=False
        )
    finally:
        os.close(write)
        os.close(read)
    assert (done.returncode, done.stdout) == (0, b"done")


@pytest.mark.parametrize(
    ("name", "level", "shown"),
    [
        ("dynamo_core.control", logging.INFO, "note"),
        ("dynamo_circus.supervisor", logging.WARNING, "warning"),
        ("dynamo_core", logging.ERROR, "error"),
        ("dynamo_core", logging.DEBUG, None),
        ("circus", logging.INFO, None),
        ("circus", logging.WARNING, "warning"),
    ],
)
def test_records_are_messages(name: str, level: int, shown: str | None) -> None:
    """This project's from the level that was asked for, those of others from warnings on."""
    written: list[tuple[str, str]] = []

    def write(text: str, *, kind: str) -> None:
        written.append((kind, text))

    handler = RecordHandler(write, logging.INFO)
    record = logging.LogRecord(name, level, __file__, 1, "%s is up", ("it",), None)
    if record.levelno >= handler.level:
        handler.handle(record)
    assert written == ([] if shown is None else [(shown, "it is up")])


def test_what_was_shown_last_is_known() -> None:
    """Lines of others after it, or another worker's, are something else."""

    def batch(slot: int, *texts: str) -> list[LogLine]:
        return [LogLine(service="A", slot=slot, stream="stderr", text=text, time="") for text in texts]

    with LineWriter() as lines:
        lines.show_lines(batch(0, "one", "two"))
        lines.show_lines(batch(0, "three"))
        assert lines.has_just_shown("A", 0, ("two", "three"))
        assert not lines.has_just_shown("A", 1, ("two", "three"))
        lines.show_lines(batch(1, "four"))
        assert not lines.has_just_shown("A", 0, ("two", "three"))
