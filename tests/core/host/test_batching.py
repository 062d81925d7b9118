"""Calls of batchable endpoints run together, and each gets what is its own."""

from __future__ import annotations

import asyncio
import threading

import pytest

from dynamo_core import endpoint, service
from dynamo_core.errors import CallCancelledError, CallTimeoutError, OverloadedError, RemoteCallError
from dynamo_core.host import current_call

from .hosting_for_tests import call, eventually, hosting

NEVER_S = 3600.0


@service
class Model:
    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.cancelled: list[list[int]] = []
        self.go_on = asyncio.Event()
        self.go_on_in_thread = threading.Event()
        self.running = 0
        self.most = 0

    @endpoint(batchable=True)
    async def double(self, inputs: list[int]) -> list[int]:
        self.batches.append(inputs)
        return [2 * value for value in inputs]

    @endpoint(batchable=True)
    async def wait(self, inputs: list[int]) -> list[int]:
        self.batches.append(inputs)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled.append(inputs)
            raise
        finally:
            self.running -= 1
        return inputs

    @endpoint(batchable=True)
    def in_thread(self, inputs: list[int]) -> list[str]:
        self.batches.append(inputs)
        self.go_on_in_thread.wait()
        return [threading.current_thread().name] * len(inputs)

    @endpoint(batchable=True)
    async def refuse(self, inputs: list[int]) -> list[int]:
        self.batches.append(inputs)
        raise ValueError(f"cannot take {inputs}")

    @endpoint(batchable=True)
    async def forget(self, inputs: list[int]) -> list[int]:
        return inputs[1:]

    @endpoint(batchable=True)
    async def of_call(self, inputs: list[int]) -> list[bool]:
        return [current_call() is None] * len(inputs)

    @endpoint(batchable=True)
    async def by_default(self, inputs: list[int] = [7]) -> list[int]:  # noqa: B006  # declared, never changed
        return inputs

    @endpoint(batchable=True, max_concurrency=1)
    async def one_by_one(self, inputs: list[int]) -> list[int]:
        self.batches.append(inputs)
        await self.go_on.wait()
        return inputs


async def test_calls_of_one_moment_are_one_batch():
    """Each gets its own results, in its own order."""
    async with hosting(Model) as host:
        answers = await asyncio.gather(*(call(host, "double", inputs=[n, -n]) for n in range(10)))
        assert answers == [[2 * n, -2 * n] for n in range(10)]
        assert host.instance.batches == [[value for n in range(10) for value in (n, -n)]]


async def test_full_batch_waits_for_nobody():
    """However long calls may wait for others; one more call is in the next batch."""
    async with hosting(Model, traffic={"max_batch": 4, "max_batch_wait_s": NEVER_S}) as host:
        await asyncio.gather(*(call(host, "double", inputs=[n]) for n in range(4)))
        assert host.instance.batches == [[0, 1, 2, 3]]


async def test_batch_that_is_not_full_runs_when_its_first_call_has_waited():
    """A lone call is answered."""
    async with hosting(Model, traffic={"max_batch_wait_s": 0}) as host:
        assert await call(host, "double", inputs=[1]) == [2]
        assert await call(host, "double", inputs=[2]) == [4]
        assert host.instance.batches == [[1], [2]]


async def test_calls_that_come_while_a_batch_runs_are_the_next_one():
    """Batches of one endpoint run one after another."""
    async with hosting(Model, traffic={"max_batch_wait_s": 0}) as host:
        model = host.instance
        first = asyncio.create_task(call(host, "wait", inputs=[0]))
        await eventually(lambda: model.batches)
        others = [asyncio.create_task(call(host, "wait", inputs=[n])) for n in (1, 2, 3)]
        await asyncio.sleep(0)
        model.go_on.set()
        assert await asyncio.gather(first, *others) == [[0], [1], [2], [3]]
        assert model.batches == [[0], [1, 2, 3]]
        assert model.most == 1


async def test_more_inputs_than_a_batch_holds_are_parted():
    """And their results joined again."""
    async with hosting(Model, traffic={"max_batch": 4}) as host:
        assert await call(host, "double", inputs=list(range(10))) == [2 * n for n in range(10)]
        assert host.instance.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


async def test_call_that_does_not_fit_begins_the_next_batch():
    """No call is parted that fits into one batch."""
    async with hosting(Model, traffic={"max_batch": 4}) as host:
        await asyncio.gather(call(host, "double", inputs=[1, 2, 3]), call(host, "double", inputs=[4, 5]))
        assert host.instance.batches == [[1, 2, 3], [4, 5]]


async def test_empty_and_left_out_inputs_are_run_alone():
    """There is nothing to join."""
    async with hosting(Model, traffic={"max_batch_wait_s": NEVER_S}) as host:
        assert await call(host, "double", inputs=[]) == []
        assert await call(host, "by_default") == [7]


async def test_method_that_blocks_runs_in_a_thread():
    """One for the whole batch, while the loop goes on."""
    async with hosting(Model) as host:
        calls = [asyncio.create_task(call(host, "in_thread", inputs=[n])) for n in range(8)]
        await eventually(lambda: host.instance.batches)
        host.instance.go_on_in_thread.set()
        names = {name for names in await asyncio.gather(*calls) for name in names}
        assert len(names) == 1
        assert threading.current_thread().name not in names
        assert host.instance.batches == [list(range(8))]


async def test_failure_of_a_batch_is_that_of_each_of_its_calls():
    """Not of the next one."""
    async with hosting(Model) as host:
        answers = await asyncio.gather(
            *(call(host, "refuse", inputs=[n]) for n in range(3)), return_exceptions=True
        )
        for answer in answers:
            assert isinstance(answer, RemoteCallError)
            assert (answer.type_name, answer.message) == ("ValueError", "cannot take [0, 1, 2]")
        assert await call(host, "double", inputs=[1]) == [2]


async def test_wrong_number_of_results_is_an_error():
    """Nobody gets what is another's."""
    async with hosting(Model) as host:
        with pytest.raises(RemoteCallError, match="was given 1 inputs and gave 0 results"):
            await call(host, "forget", inputs=[1])


async def test_batch_belongs_to_no_call():
    """It has no deadline, and no metadata of whichever call came first."""
    async with hosting(Model) as host:
        assert await call(host, "of_call", inputs=[1, 2], timeout_s=60) == [True, True]


async def test_call_that_ends_early_leaves_its_batch():
    """Others wait on; a batch for which nobody waits is cancelled."""
    async with hosting(Model) as host:
        model = host.instance
        first, second = (asyncio.create_task(call(host, "wait", inputs=[n])) for n in (1, 2))
        await eventually(lambda: model.batches)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert not model.cancelled
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        await eventually(lambda: model.cancelled == [[1, 2]])


async def test_call_that_ends_before_its_batch_is_not_in_it():
    """Nor does it keep others from being run."""
    async with hosting(Model, traffic={"max_batch": 2, "max_batch_wait_s": NEVER_S}) as host:
        gone = asyncio.create_task(call(host, "double", inputs=[1]))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(call(host, "double", inputs=[2]), call(host, "double", inputs=[3]))
        assert host.instance.batches == [[2, 3]]


async def test_deadline_ends_the_call():
    """Whether it waits for its batch or for the batch's end."""
    async with hosting(Model, traffic={"max_batch_wait_s": NEVER_S}) as host:
        with pytest.raises(CallTimeoutError):
            await call(host, "double", inputs=[1], timeout_s=0.01)
        assert not host.instance.batches


async def test_limits_count_calls_not_batches():
    """A call that waits for a place is in no batch."""
    async with hosting(Model, traffic={"max_queue": 1, "max_batch_wait_s": 0}) as host:
        model = host.instance
        first = asyncio.create_task(call(host, "one_by_one", inputs=[1]))
        await eventually(lambda: model.batches)
        second = asyncio.create_task(call(host, "one_by_one", inputs=[2]))
        await eventually(lambda: host.waiting_calls)
        with pytest.raises(OverloadedError):
            await call(host, "one_by_one", inputs=[3])
        model.go_on.set()
        await asyncio.gather(first, second)
        assert model.batches == [[1], [2]]


async def test_stop_ends_what_runs_and_what_waits():
    """And leaves no task."""
    async with hosting(Model, traffic={"max_batch": 1}) as host:
        model = host.instance
        running = asyncio.create_task(call(host, "wait", inputs=[1]))
        await eventually(lambda: model.batches)
        waiting = asyncio.create_task(call(host, "wait", inputs=[2]))
        await asyncio.sleep(0)
    for task in (running, waiting):
        with pytest.raises(CallCancelledError):
            await task
    assert model.cancelled == [[1]]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_batch_that_cancels_itself_ends_its_calls():
    """And the next batch runs."""

    class Odd:
        @endpoint(batchable=True)
        async def run(self, inputs: list[int]) -> list[int]:
            if 0 in inputs:
                raise asyncio.CancelledError
            return inputs

    async with hosting(Odd) as host:
        with pytest.raises(CallCancelledError):
            await call(host, "run", inputs=[0])
        assert await call(host, "run", inputs=[1]) == [1]
