"""Many calls at once, limits of what runs at once, and which worker gets which call."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, ClassVar

import pytest

from dynamo_core import (
    CallTimeoutError,
    OverloadedError,
    RemoteCallError,
    ServiceUnavailableError,
    to_async,
    with_options,
)
from dynamo_core.graph import collect
from dynamo_core.testing.conformance.harness import Conformance, OpenRun, Provider, on_loop, on_own_loop
from dynamo_core.testing.conformance.needs import needs
from dynamo_core.testing.conformance.services.batched import LARGEST_BATCH, Batched, Batcher
from dynamo_core.testing.conformance.services.busy import Busy, Caller, Crew

if TYPE_CHECKING:
    from dynamo_core.testing.conformance.ledger import Ledger

IN_FLIGHT: int = 64


class ConcurrencyConformance(Conformance):
    """What holds when a service has more to do than one thing."""

    entry: ClassVar[type] = Caller

    @on_loop
    async def test_calls_run_at_the_same_time(self, run: OpenRun) -> None:
        """64 calls that wait for each other, in one worker."""
        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(run.client(Busy).meet(IN_FLIGHT)) for _ in range(IN_FLIGHT)]
        assert sorted(call.result() for call in calls) == list(range(1, IN_FLIGHT + 1))

    @on_loop
    async def test_calls_of_a_service_run_at_the_same_time(self, run: OpenRun) -> None:
        """The same from another service."""
        assert sorted(await run.client(Caller).meet(IN_FLIGHT)) == list(range(1, IN_FLIGHT + 1))

    @on_loop
    async def test_answers_find_their_callers(self, run: OpenRun) -> None:
        """Answers that come in another order than the calls still reach the right ones."""
        crew = run.client(Crew)
        async with asyncio.TaskGroup() as tasks:
            by_slot = {
                number: tasks.create_task(with_options(crew, routing=number % 2).slot())
                for number in range(IN_FLIGHT)
            }
        assert all(call.result() == number % 2 for number, call in by_slot.items())

    @on_loop
    async def test_limit_of_an_endpoint_holds(self, run: OpenRun, ledger: Ledger) -> None:
        """``max_concurrency`` calls run, one waits (``max_queue`` is 1), more are refused without running."""
        busy = run.client(Busy)
        await busy.close_gate()
        calls = [asyncio.ensure_future(busy.two_at_once(str(ledger)))]
        await ledger.wait_for("runs", times=1)
        calls.append(asyncio.ensure_future(busy.two_at_once(str(ledger))))
        await ledger.wait_for("runs", times=2)
        more = [asyncio.ensure_future(busy.two_at_once(str(ledger))) for _ in range(3)]
        for done in itertools.islice(asyncio.as_completed(more), 2):
            with pytest.raises(OverloadedError) as caught:
                await done
            assert (caught.value.service, caught.value.endpoint) == ("Busy", "two_at_once")
            assert caught.value.retry_after_s > 0
        assert ledger.lines() == ["runs", "runs"]
        await busy.open_gate()
        waited = [call for call in more if not (call.done() and call.exception())]
        assert all(running <= 2 for running in await asyncio.gather(*calls, *waited))
        assert ledger.lines() == ["runs"] * 3

    @on_loop
    async def test_full_endpoint_does_not_block_others(self, run: OpenRun, ledger: Ledger) -> None:
        """Calls of other endpoints go past those that wait."""
        busy = run.client(Busy)
        await busy.close_gate()
        calls = [asyncio.ensure_future(busy.two_at_once(str(ledger))) for _ in range(3)]
        await ledger.wait_for("runs", times=2)
        assert [number async for number in busy.trickle(3)] == [0, 1, 2]
        await busy.open_gate()
        await asyncio.gather(*calls)

    @needs("routing")
    @on_loop
    async def test_routing_by_slot(self, run: OpenRun) -> None:
        """A call with a slot goes to that worker, a stream too."""
        crew = run.client(Crew)
        for slot in (0, 1, 1, 0):
            routed = with_options(crew, routing=slot)
            assert await routed.slot() == slot
            assert [each async for each in routed.slots()] == [slot]
        assert await run.client(Caller).slots(1, 4) == [1] * 4

    @needs("routing")
    @on_loop
    async def test_slots_are_different_workers(self, run: OpenRun) -> None:
        """Two slots are two instances, and a slot stays the same one."""
        crew = run.client(Crew)
        first, second = with_options(crew, routing=0), with_options(crew, routing=1)
        assert await first.identity() == await first.identity()
        assert await first.identity() != await second.identity()

    @needs("routing")
    @on_loop
    async def test_slot_that_is_not_there(self, run: OpenRun) -> None:
        """A call to no worker does not hang, and goes to no other one."""
        with pytest.raises((ServiceUnavailableError, CallTimeoutError)):
            await with_options(run.client(Crew), routing=7, timeout_s=0.5).slot()

    @on_loop
    async def test_calls_are_spread_over_workers(self, run: OpenRun) -> None:
        """Without a wish, every worker gets calls; so does it by chance."""
        assert set(await run.client(Caller).slots("round_robin", 8)) == {0, 1}
        assert set(await run.client(Caller).slots("random", 64)) == {0, 1}

    @needs("routing")
    @on_loop
    async def test_least_loaded_worker_is_found(self, run: OpenRun, ledger: Ledger) -> None:
        """The worker with the fewest open calls gets the next one."""
        crew = run.client(Crew)
        held = [asyncio.ensure_future(with_options(crew, routing=0).hold(str(ledger))) for _ in range(4)]
        await ledger.wait_for("held by 0", times=4)
        idle = with_options(crew, routing="least_loaded")
        assert [await idle.slot() for _ in range(4)] == [1] * 4
        for call in held:
            call.cancel()
        await asyncio.gather(*held, return_exceptions=True)

    @needs("batching")
    @on_own_loop
    async def test_calls_of_a_batchable_endpoint_are_joined(self, provider: Provider) -> None:
        """64 callers at a time share batches, of no more than ``traffic.max_batch``; each gets its own results."""
        async with provider.run(collect(Batched)) as services:
            batched = services.client(Batched)
            for double in (batched.double, to_async(batched.double_in_thread)):
                for _ in range(3):  # one that decides by what it has seen may learn
                    answers = await asyncio.gather(
                        *(double([number, -number]) for number in range(IN_FLIGHT))
                    )
                    assert answers == [[2 * number, -2 * number] for number in range(IN_FLIGHT)]
                sizes = await batched.sizes()
                assert sum(sizes) == 3 * IN_FLIGHT * 2
                assert max(sizes) <= LARGEST_BATCH
                assert len(sizes) < 3 * IN_FLIGHT

    @needs("batching")
    @on_own_loop
    async def test_calls_from_another_service_are_joined(self, provider: Provider) -> None:
        """Those that go through ``depends``."""
        async with provider.run(collect(Batcher)) as services:
            numbers = list(range(IN_FLIGHT))
            assert await services.client(Batcher).double_each(numbers) == [2 * number for number in numbers]
            assert len(await services.client(Batched).sizes()) < IN_FLIGHT

    @needs("batching")
    @on_own_loop
    async def test_call_with_more_than_a_batch_holds(self, provider: Provider) -> None:
        """It is run in several, and gets all of its results; an empty one gets none."""
        async with provider.run(collect(Batched)) as services:
            batched = services.client(Batched)
            numbers = list(range(3 * LARGEST_BATCH + 1))
            assert await batched.double(numbers) == [2 * number for number in numbers]
            sizes = await batched.sizes()
            assert (sum(sizes), max(sizes) <= LARGEST_BATCH) == (len(numbers), True)
            assert await batched.only_positive([1]) == [1]

    @needs("batching")
    @on_own_loop
    async def test_batch_that_fails_fails_for_its_own_calls(self, provider: Provider) -> None:
        """Later ones are run as if nothing had been."""
        async with provider.run(collect(Batched)) as services:
            batched = services.client(Batched)
            with pytest.raises(RemoteCallError, match="a batch with -1") as caught:
                await batched.only_positive([1, -1])
            assert caught.value.type_name == "ValueError"
            assert await batched.only_positive([1, 2]) == [1, 2]

    @needs("batching")
    @on_own_loop
    async def test_batch_that_fails_leaves_others_alone(self, provider: Provider) -> None:
        """Of 64 calls at once one makes its batch fail: as many calls fail as can have been in it, and no more."""
        async with provider.run(collect(Batched)) as services:
            batched = services.client(Batched)
            numbers = [*range(1, IN_FLIGHT), -1]
            calls = (batched.only_positive([number]) for number in numbers)
            answers = await asyncio.gather(*calls, return_exceptions=True)
            failed = [answer for answer in answers if isinstance(answer, BaseException)]
            assert isinstance(answers[-1], RemoteCallError)
            assert len(failed) <= LARGEST_BATCH
            assert all(isinstance(answer, RemoteCallError) for answer in failed)
            answered = [
                (number, answer)
                for number, answer in zip(numbers, answers, strict=True)
                if answer not in failed
            ]
            assert all(answer == [number] for number, answer in answered)
