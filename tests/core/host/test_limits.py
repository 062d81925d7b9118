"""How many calls run, how many wait, and who is sent away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from dynamo_core import endpoint, service
from dynamo_core.errors import CallTimeoutError, OverloadedError
from dynamo_core.host import DEFAULT_THREADS, Host
from dynamo_core.host.admission import Admission, FullError

from .hosting_for_tests import call, eventually, hosting, stream


@service(name="Backend")
class Service:
    def __init__(self) -> None:
        self.begun: list[int] = []
        self.running = 0
        self.most = 0
        self.go_on = asyncio.Event()
        self.go_on_in_thread = threading.Event()
        self.lock = threading.Lock()

    def _enter(self, number: int) -> None:
        with self.lock:
            self.begun.append(number)
            self.running += 1
            self.most = max(self.most, self.running)

    def _leave(self) -> None:
        with self.lock:
            self.running -= 1

    @endpoint
    async def work(self, number: int) -> int:
        self._enter(number)
        try:
            await self.go_on.wait()
        finally:
            self._leave()
        return number

    @endpoint
    def work_in_thread(self, number: int) -> int:
        self._enter(number)
        self.go_on_in_thread.wait()
        self._leave()
        return number

    @endpoint
    async def items(self, number: int) -> AsyncIterator[int]:
        self._enter(number)
        try:
            yield number
            await self.go_on.wait()
        finally:
            self._leave()

    @endpoint
    def items_in_thread(self, number: int) -> Iterator[int]:
        self._enter(number)
        try:
            yield number
            self.go_on_in_thread.wait()
        finally:
            self._leave()

    @endpoint(max_concurrency=1)
    async def narrow(self, number: int) -> int:
        self._enter(number)
        try:
            await self.go_on.wait()
        finally:
            self._leave()
        return number

    @endpoint(max_concurrency=2)
    def narrow_in_thread(self, number: int) -> int:
        self._enter(number)
        self.go_on_in_thread.wait()
        self._leave()
        return number


def release(host: Host) -> None:
    host.instance.go_on.set()
    host.instance.go_on_in_thread.set()


async def make_one(host: Host, name: str, number: int) -> object:
    if name.startswith("items"):
        (item,) = [item async for item in stream(host, name, number=number)]
        return item
    return await call(host, name, number=number)


ALL_KINDS = pytest.mark.parametrize("name", ["work", "work_in_thread", "items", "items_in_thread"])


@ALL_KINDS
async def test_beyond_places_and_queue_calls_are_refused_at_once(name: str) -> None:
    """Of 100 calls with 4 places and a queue of 8, 12 are answered and 88 refused before any of those ends."""
    async with hosting(Service, traffic={"max_concurrency": 4, "max_queue": 8}) as host:
        tasks = [asyncio.create_task(make_one(host, name, number)) for number in range(100)]
        await eventually(lambda: sum(task.done() for task in tasks) == 88)
        await eventually(lambda: host.instance.running == 4)
        assert host.waiting_calls == 8
        release(host)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert outcomes[:12] == list(range(12))
        for refused in outcomes[12:]:
            assert isinstance(refused, OverloadedError)
            assert (refused.service, refused.endpoint, refused.limit) == ("Backend", name, 12)
            assert refused.retry_after_s > 0
        assert host.instance.most == 4
        assert (host.running_calls, host.waiting_calls) == (0, 0)


@ALL_KINDS
async def test_waiting_calls_begin_in_the_order_they_came(name: str) -> None:
    async with hosting(Service, traffic={"max_concurrency": 1}) as host:
        tasks = [asyncio.create_task(make_one(host, name, number)) for number in range(20)]
        await eventually(lambda: host.waiting_calls == 19)
        release(host)
        await asyncio.gather(*tasks)
        assert host.instance.begun == list(range(20))


async def test_waiting_counts_against_the_deadline() -> None:
    async with hosting(Service, traffic={"max_concurrency": 1}) as host:
        first = asyncio.create_task(call(host, "work", number=1))
        await eventually(lambda: host.instance.begun)
        with pytest.raises(CallTimeoutError):
            await call(host, "work", number=2, timeout_s=0.01)
        assert host.waiting_calls == 0
        release(host)
        assert await first == 1
        assert host.instance.begun == [1]
        assert await call(host, "work", number=3) == 3


async def test_a_cancelled_wait_gives_up_its_turn() -> None:
    async with hosting(Service, traffic={"max_concurrency": 1}) as host:
        tasks = [asyncio.create_task(call(host, "work", number=number)) for number in range(4)]
        await eventually(lambda: host.waiting_calls == 3)
        tasks[1].cancel()
        release(host)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [int, asyncio.CancelledError, int, int]
        assert host.instance.begun == [0, 2, 3]


async def test_a_narrow_endpoint_does_not_keep_others_out() -> None:
    """Calls that wait for their endpoint hold no place of the service."""
    async with hosting(Service, traffic={"max_concurrency": 2}) as host:
        narrow = [asyncio.create_task(call(host, "narrow", number=number)) for number in range(3)]
        await eventually(lambda: host.waiting_calls == 2)
        other = asyncio.create_task(call(host, "work", number=9))
        await eventually(lambda: host.instance.begun == [0, 9])
        release(host)
        assert await asyncio.gather(*narrow, other) == [0, 1, 2, 9]
        assert host.instance.most <= 2


async def test_a_narrow_endpoint_runs_no_more_than_it_may_without_a_limit_of_the_service() -> None:
    async with hosting(Service) as host:
        tasks = [asyncio.create_task(call(host, "narrow", number=number)) for number in range(5)]
        await eventually(lambda: host.waiting_calls == 4)
        release(host)
        await asyncio.gather(*tasks)
        assert host.instance.most == 1


async def test_a_thread_keeps_its_place_until_it_returns() -> None:
    """Cancelled calls whose threads still run leave no place for others."""
    async with hosting(Service, traffic={"max_queue": 0}) as host:
        tasks = [asyncio.create_task(call(host, "narrow_in_thread", number=number)) for number in range(2)]
        await eventually(lambda: host.instance.running == 2)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        with pytest.raises(OverloadedError):
            await call(host, "narrow_in_thread", number=3)
        release(host)
        assert await host.drain(10)
        assert await call(host, "narrow_in_thread", number=4) == 4


async def test_without_limits_threads_are_as_many_as_needed_up_to_a_default() -> None:
    """Further calls of ``def`` endpoints wait, however many they are; no thread is made before it is needed."""
    async with hosting(Service) as host:
        assert host.threads == 0
        host.instance.go_on_in_thread.set()
        for number in range(5):
            await call(host, "work_in_thread", number=number)
        assert host.threads <= 2
        host.instance.go_on_in_thread.clear()
        tasks = [asyncio.create_task(call(host, "work_in_thread", number=number)) for number in range(400)]
        await eventually(lambda: host.instance.running == DEFAULT_THREADS)
        assert host.waiting_calls == 400 - DEFAULT_THREADS
        release(host)
        assert await asyncio.gather(*tasks) == list(range(400))
        assert host.threads == DEFAULT_THREADS


async def test_a_limit_of_the_service_is_the_number_of_its_threads() -> None:
    async with hosting(Service, traffic={"max_concurrency": 60}) as host:
        tasks = [asyncio.create_task(call(host, "work_in_thread", number=number)) for number in range(70)]
        await eventually(lambda: host.instance.running == 60)
        release(host)
        await asyncio.gather(*tasks)
        assert host.threads == 60


async def test_a_place_that_is_given_as_its_owner_is_cancelled_is_not_lost() -> None:
    admission = Admission(1, None)
    lane = admission.add_lane(None)
    await admission.enter(lane)
    second = asyncio.create_task(admission.enter(lane))
    third = asyncio.create_task(admission.enter(lane))
    await asyncio.sleep(0)
    admission.leave(lane)  # gives the place to the second
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    await third
    assert (admission.running, admission.waiting) == (1, 0)
    admission.leave(lane)
    assert admission.running == 0


async def test_a_turn_that_is_cancelled_as_a_place_comes_free_is_passed_over() -> None:
    admission = Admission(1, None)
    lane = admission.add_lane(None)
    await admission.enter(lane)
    second = asyncio.create_task(admission.enter(lane))
    third = asyncio.create_task(admission.enter(lane))
    await asyncio.sleep(0)
    second.cancel()  # has not heard of it yet
    admission.leave(lane)
    await third
    assert second.cancelled()
    assert admission.running == 1


async def test_a_queue_of_no_places_refuses_whatever_would_have_to_wait() -> None:
    admission = Admission(2, 0)
    lane = admission.add_lane(None)
    await admission.enter(lane)
    await admission.enter(lane)
    with pytest.raises(FullError):
        await admission.enter(lane)
