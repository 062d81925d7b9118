"""The lines that were written last, for whoever asks."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from dynamo_core.logs import book as book_module
from dynamo_core.logs.book import LogBook
from dynamo_core.logs.lines import LineBatch
from dynamo_core.provider import LogLine


def batch(*texts: str, service: str = "Backend") -> LineBatch:
    return LineBatch(list(texts), service=service, slot=0, stream="stdout", time="")


async def read(book: LogBook, service: str | None = None) -> list[str]:
    return [line.text async for line in book.read(service, follow=False)]


async def test_last_lines_are_kept() -> None:
    """At least as many as were asked for, and some that were read with them."""
    book = LogBook(kept_lines=3)
    for number in range(10):
        book.write(batch(f"{number}a", f"{number}b"))
    assert await read(book) == ["8a", "8b", "9a", "9b"]


async def test_what_is_kept_takes_bounded_memory() -> None:
    """However long lines are."""
    book = LogBook(kept_bytes=100_000)
    for number in range(100):
        book.write(batch(f"{number:050000}"))
    assert len(await read(book)) <= 3


async def test_a_flood_leaves_the_lines_of_quiet_services() -> None:
    """All in the order in which they were written."""
    book = LogBook(kept_lines=6)
    book.write(batch("early", service="Quiet"))
    for number in range(100):
        book.write(batch(f"{number}a", f"{number}b", service="Loud"))
    book.write(batch("late", service="Quiet"))
    assert await read(book, "Quiet") == ["early", "late"]
    assert await read(book) == ["early", "98a", "98b", "99a", "99b", "late"]


async def test_a_flood_of_long_lines_leaves_those_of_quiet_services() -> None:
    """Bytes count as lines do."""
    book = LogBook(kept_bytes=100_000)
    book.write(batch("early", service="Quiet"))
    for number in range(100):
        book.write(batch(f"{number:050000}", service="Loud"))
    assert await read(book, "Quiet") == ["early"]
    assert len(await read(book)) <= 4


async def test_one_service_can_be_asked_for() -> None:
    """Others' lines are left out."""
    book = LogBook()
    book.write(batch("one"))
    book.write(batch("two", service="Frontend"))
    assert await read(book, "Frontend") == ["two"]
    assert await read(book, "Nobody") == []


async def test_reader_gets_new_lines_until_the_book_is_closed() -> None:
    """After those that were kept."""
    book = LogBook()
    book.write(batch("kept"))
    found: list[str] = []
    has_first = asyncio.Event()

    async def follow() -> None:
        async for line in book.read(follow=True):
            found.append(line.text)
            has_first.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follow())
        await has_first.wait()
        book.write(batch("new", "newer"))
        book.close()
    assert found == ["kept", "new", "newer"]


async def test_slow_reader_is_told_how_many_lines_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a line of the run's own, which is no worker's."""
    monkeypatch.setattr(book_module, "PENDING_BYTES", 1000)
    book = LogBook()
    book.write(batch("first"))
    async with contextlib.aclosing(book.read(follow=True)) as lines:
        assert (await anext(lines)).text == "first"
        for _ in range(100):
            book.write(batch("x" * 300, "y"))
        book.close()
        rest = [line async for line in lines]
    lost = rest[-1]
    assert isinstance(lost, LogLine)
    assert (lost.service, lost.slot, lost.stream) == ("", None, "run")
    assert len(rest) - 1 + int(lost.text.split()[0]) == 200


async def test_reader_that_leaves_is_forgotten() -> None:
    """The book does not write for it any more."""
    book = LogBook()
    book.write(batch("first"))
    async with contextlib.aclosing(book.read(follow=True)) as lines:
        await anext(lines)
    book.write(batch("second"))
    assert not book._readers
