"""The load on a graph of many, and how many services it has."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from benchmarks.work import IN_FLIGHT, describe

SERVICES_VARIABLE = "BENCHMARK_SERVICES"
WORKERS_VARIABLE = "BENCHMARK_WORKERS"
WARM_CALLS = 500
MOST_CALLS = 20_000
MOST_S = 0.6
PATIENCE_S = 8.0
"""Seconds after which calls that hang are given up; the load then says so."""


@attrs.define
class Load:
    """What a load has shown.

    Attributes:
        calls_per_s: Good calls a second.
        calls: Calls that were made.
        failed: Calls that failed.
        error: The last failure.
    """

    calls_per_s: float = 0.0
    calls: int = 0
    failed: int = 0
    error: str = ""


def how_many() -> int:
    """Services that are called, at least 1."""
    return int(os.environ.get(SERVICES_VARIABLE, "1"))


async def load(call: Callable[[], Awaitable[object]]) -> dict[str, Any]:
    """Call with 64 at a time, after some calls that do not count; gives the fields of a :class:`Load`."""
    await _make(call, WARM_CALLS)
    return attrs.asdict(await _make(call, MOST_CALLS))


async def _make(call: Callable[[], Awaitable[object]], most: int) -> Load:
    found = Load()
    began = time.perf_counter()
    end = began + MOST_S

    async def caller() -> None:
        while found.calls < most and time.perf_counter() < end:
            found.calls += 1
            try:
                await call()
            except Exception as exc:  # noqa: BLE001  # counted, and shown
                found.failed += 1
                found.error = describe(exc)

    try:
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            for _ in range(IN_FLIGHT):
                tasks.create_task(caller())
    except TimeoutError:
        found.error = f"calls had no answer for {PATIENCE_S:g} s"
    found.calls_per_s = (found.calls - found.failed) / (time.perf_counter() - began)
    return found
