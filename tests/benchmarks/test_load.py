"""The load on graphs of many services."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.many import load as loads


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do little."""
    monkeypatch.setattr(loads, "MOST_S", 0.02)
    monkeypatch.setattr(loads, "WARM_CALLS", 10)


async def test_good_calls_are_counted() -> None:
    told = await loads.load(lambda: asyncio.sleep(0))
    assert told["calls"] > 0
    assert told["failed"] == 0
    assert told["calls_per_s"] > 0


async def test_failed_calls_are_counted_and_told() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ConnectionResetError("gone")

    told = await loads.load(fail)
    assert told["failed"] == told["calls"] > 0
    assert told["calls_per_s"] == 0
    assert told["error"] == "ConnectionResetError: gone"


async def test_calls_that_hang_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loads, "PATIENCE_S", 0.05)
    told = await loads.load(asyncio.Event().wait)
    assert "no answer" in told["error"]


def test_there_is_one_service_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(loads.SERVICES_VARIABLE, raising=False)
    assert loads.how_many() == 1
    monkeypatch.setenv(loads.SERVICES_VARIABLE, "50")
    assert loads.how_many() == 50
