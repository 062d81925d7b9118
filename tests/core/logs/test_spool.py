"""Writing from a thread: never a wait, bounded memory, and a count of what was lost."""

from __future__ import annotations

import os
import threading

from dynamo_core.logs.spool import Spool, write_all

PATIENCE_S = 30.0


class Slow:
    """Writes nothing until it is let go.

    Attributes:
        written: What it was given.
        dropped: How many were lost.
    """

    def __init__(self) -> None:
        self.written: list[str] = []
        self.dropped = 0
        self.is_writing = threading.Event()
        self.may_go_on = threading.Event()

    def __call__(self, items: list[str], dropped: int) -> None:
        self.is_writing.set()
        assert self.may_go_on.wait(PATIENCE_S)
        self.written += items
        self.dropped += dropped


def test_everything_is_written_in_order() -> None:
    """What was put before close is written by it."""
    slow = Slow()
    slow.may_go_on.set()
    spool = Spool(slow, name="test")
    for number in range(1000):
        spool.put(str(number), size=1)
    assert spool.close(PATIENCE_S)
    assert slow.written == [str(number) for number in range(1000)]


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    """The oldest stay, and each item counts as its lines."""
    slow = Slow()
    spool = Spool(slow, name="test", most_bytes=100)
    spool.put("first", size=1)
    assert slow.is_writing.wait(PATIENCE_S)
    for number in range(5):
        spool.put(str(number), size=40, lines=10)
    slow.may_go_on.set()
    assert spool.close(PATIENCE_S)
    assert (slow.written, slow.dropped) == (["first", "0", "1"], 30)


def test_one_item_fits_whatever_its_size() -> None:
    """Otherwise a long line would never be written."""
    slow = Slow()
    slow.may_go_on.set()
    spool = Spool(slow, name="test", most_bytes=10)
    spool.put("large", size=1000)
    assert spool.close(PATIENCE_S)
    assert slow.written == ["large"]


def test_rare_items_have_room_in_a_flood() -> None:
    """But not without bound either."""
    slow = Slow()
    spool = Spool(slow, name="test", most_bytes=100)
    spool.put("first", size=1)
    assert slow.is_writing.wait(PATIENCE_S)
    for _ in range(10):
        spool.put("flood", size=50)
    for _ in range(10):
        spool.put("rare", size=50, is_rare=True)
    slow.may_go_on.set()
    assert spool.close(PATIENCE_S)
    assert slow.written == ["first", "flood", "flood", "rare", "rare"]


def test_close_gives_up_on_a_write_that_hangs() -> None:
    """And says so; nothing more is taken."""
    slow = Slow()
    spool = Spool(slow, name="test")
    spool.put("stuck", size=1)
    assert slow.is_writing.wait(PATIENCE_S)
    assert not spool.close(0.0)
    spool.put("late", size=1)
    slow.may_go_on.set()
    assert spool.close(PATIENCE_S)
    assert slow.written == ["stuck"]


def test_spool_that_was_never_used_closes_at_once() -> None:
    """It has no thread."""
    assert Spool(Slow(), name="test").close(0.0)


def test_whole_text_is_written_to_a_pipe_that_does_not_block() -> None:
    """As a terminal is that another program has left so."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    data = bytes(range(256)) * 2000
    received = bytearray()

    def read_all() -> None:
        while part := os.read(read, 1000):
            received.extend(part)

    reader = threading.Thread(target=read_all)
    reader.start()
    write_all(write, data)
    os.close(write)
    reader.join()
    os.close(read)
    assert bytes(received) == data
