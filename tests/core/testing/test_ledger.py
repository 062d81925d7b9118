"""What workers tell a test through a file."""

from __future__ import annotations

import threading

import pytest

from dynamo_core.testing.conformance.ledger import Ledger, note


def test_lines_are_kept_in_order(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    assert ledger.lines() == []
    note(str(ledger), "first")
    note(str(ledger), "second")
    assert ledger.lines() == ["first", "second"]


def test_nothing_is_written_without_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    note("", "first")
    assert list(tmp_path.iterdir()) == []


def test_lines_of_many_threads_do_not_mix(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    threads = [
        threading.Thread(target=lambda: [note(str(ledger), "a" * 100) for _ in range(50)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.lines() == ["a" * 100] * 400


async def test_waiting_for_a_line(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    threading.Thread(target=note, args=(str(ledger), "late")).start()
    await ledger.wait_for("late")


async def test_line_that_does_not_come_fails_the_test(tmp_path, monkeypatch):
    monkeypatch.setattr(Ledger, "patience_s", 0.0)
    ledger = Ledger(tmp_path / "ledger")
    note(str(ledger), "other")
    with pytest.raises(AssertionError, match=r"'late' was not noted 1 times; noted: .'other'."):
        await ledger.wait_for("late")
