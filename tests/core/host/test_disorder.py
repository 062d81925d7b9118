"""Calls of all kinds, cancelled, closed and timed out at random: whatever happens, every place comes back."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from dynamo_core import endpoint, service
from dynamo_core.errors import (
    CallCancelledError,
    CallTimeoutError,
    OverloadedError,
    RemoteCallError,
    ServiceUnavailableError,
)
from dynamo_core.host import Host

from .hosting_for_tests import call, hosting, make_host, stream

ALLOWED = (CallTimeoutError, OverloadedError, RemoteCallError, CallCancelledError, asyncio.CancelledError)


@service(name="Backend", traffic={"max_concurrency": 6, "max_queue": 10})
class Service:
    def __init__(self) -> None:
        self.balance: Counter[str] = Counter()
        self.most = 0

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self.balance["running"] += 1
        self.most = max(self.most, self.balance["running"])
        try:
            yield
        finally:
            self.balance["running"] -= 1

    @endpoint(max_concurrency=3)
    async def unary(self, pause_s: float, fails: bool) -> float:
        with self._counted():
            await asyncio.sleep(pause_s)
            if fails:
                raise ValueError
            return pause_s

    @endpoint
    def sync(self, pause_s: float, fails: bool) -> float:
        time.sleep(pause_s)
        if fails:
            raise SystemExit
        return pause_s

    @endpoint
    async def items(self, pause_s: float, fails: bool) -> AsyncIterator[int]:
        with self._counted():
            for number in range(5):
                yield number
                await asyncio.sleep(pause_s)
            if fails:
                raise ValueError

    @endpoint
    def sync_items(self, pause_s: float, fails: bool) -> Iterator[int]:
        for number in range(5):
            yield number
            time.sleep(pause_s)
        if fails:
            raise asyncio.CancelledError


async def make_one(host: Host, chance: random.Random) -> str:
    name = chance.choice(["unary", "sync", "items", "sync_items"])
    arguments: dict[str, Any] = {
        "pause_s": chance.choice([0, 0, 0.001, 0.004]),
        "fails": chance.random() < 0.1,
    }
    timeout_s = chance.choice([None, None, 0.003, 0.02, 10])
    takes = chance.choice([0, 1, 5, 5])
    if not host.endpoint(name).is_stream:
        await call(host, name, timeout_s=timeout_s, **arguments)
        return name
    async with contextlib.aclosing(stream(host, name, timeout_s=timeout_s, **arguments)) as items:
        async for item in items:
            if item >= takes:
                break
            await asyncio.sleep(chance.choice([0, 0.001]))
    return name


@pytest.mark.parametrize("seed", range(5))
async def test_every_place_comes_back(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")
    chance = random.Random(seed)
    async with hosting(Service, traffic={"max_concurrency": 6, "max_queue": 10}) as host:
        tasks: list[asyncio.Task[str]] = []
        for _ in range(400):
            tasks.append(asyncio.create_task(make_one(host, chance)))
            if chance.random() < 0.3:
                chance.choice(tasks).cancel()
            await asyncio.sleep(chance.choice([0, 0, 0, 0.001]))
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(outcome, (str, *ALLOWED)) for outcome in outcomes), Counter(map(repr, outcomes))
        assert any(isinstance(outcome, str) for outcome in outcomes)
        assert await host.drain(20)
        assert (host.running_calls, host.waiting_calls) == (0, 0)
        assert host.instance.balance["running"] == 0
        assert host.instance.most <= 6
        assert host._workplace.admission.running == 0
        assert host.threads <= 6
        results = await asyncio.gather(*(call(host, "sync", pause_s=0.001, fails=False) for _ in range(16)))
        assert results == [0.001] * 16


@pytest.mark.parametrize("seed", range(3))
async def test_stopping_in_the_middle_ends_every_call(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")
    chance = random.Random(seed)
    host = make_host(Service)
    await host.start()
    tasks = [asyncio.create_task(make_one(host, chance)) for _ in range(60)]
    for _ in range(chance.randrange(50)):
        await asyncio.sleep(0)
    await host.stop()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    allowed = (
        str,
        CallCancelledError,
        CallTimeoutError,
        OverloadedError,
        RemoteCallError,
        ServiceUnavailableError,
    )
    assert all(isinstance(outcome, allowed) for outcome in outcomes), Counter(map(repr, outcomes))
    assert host._workplace.admission.running == host._workplace.calls.threads_left
    assert host.running_calls == 0
