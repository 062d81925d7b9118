"""The work that every side does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from benchmarks import work
from benchmarks.work import FIRST, MEBIBYTE_P50, MODEL_P50, MODEL_RATE, ONE_P50, RATE, READY, ROWS, measure


class NearClient:
    """Answers at once, without a server."""

    async def echo(self, value: Any) -> Any:
        return value

    async def echo_model(self, value: Any) -> Any:
        return value

    async def echo_bytes(self, value: bytes) -> bytes:
        return value

    async def ready(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            yield work.ITEM

    suspending = slow = ready


class ClientWithoutModels(NearClient):
    async def echo_model(self, value: Any) -> Any:
        raise NotImplementedError


class FlakyClient(NearClient):
    """Fails every third call."""

    def __init__(self) -> None:
        self.calls = 0

    async def echo_model(self, value: Any) -> Any:
        self.calls += 1
        await asyncio.sleep(0)
        if self.calls % 3 == 0:
            raise ConnectionResetError("gone")
        return value


class ShortClient(NearClient):
    """Loses an item of each stream."""

    async def ready(self, count: int) -> AsyncIterator[str]:
        for _ in range(count - 1):
            yield work.ITEM


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do little of everything."""
    monkeypatch.setattr(work, "MOST_S", 0.02)
    monkeypatch.setattr(work, "ITEMS", 20)
    monkeypatch.setattr(work, "ITEMS_OF_EACH", 5)
    monkeypatch.setattr(work, "WARM_CALLS", 10)


async def test_client_that_can_do_all_has_every_figure() -> None:
    told = await measure(NearClient())
    assert set(told["figures"]) == {row.name for row in ROWS}
    assert all(value > 0 for value in told["figures"].values())
    assert told["errors"] == {}


async def test_what_a_client_cannot_do_is_left_out_and_is_no_error() -> None:
    told = await measure(ClientWithoutModels())
    assert {row.name for row in ROWS} - set(told["figures"]) == {MODEL_P50.name, MODEL_RATE.name}
    assert told["errors"] == {}


async def test_calls_that_fail_are_counted() -> None:
    told = await measure(FlakyClient())
    failed, calls = told["failed"][MODEL_RATE.name]
    assert 0 < failed < calls
    assert told["errors"][MODEL_RATE.name] == "ConnectionResetError: gone"
    assert RATE.name not in told["failed"]


async def test_failing_work_does_not_stop_the_rest() -> None:
    told = await measure(ShortClient())
    assert "wanted 20 items, got 19" in told["errors"][READY.name]
    assert {ONE_P50.name, FIRST.name, MEBIBYTE_P50.name} <= set(told["figures"])
