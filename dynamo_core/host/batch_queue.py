"""Which calls go together into a batch, and when: by count and by time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    RunBatch = Callable[[Sequence[Sequence[Any]]], Awaitable[list[list[Any]]]]

CLOSE_WAIT_S: Final = 1.0
"""How long what has been cancelled may take to end."""


class BatchDroppedError(Exception):
    """A dispatcher has given a call up, because it would have waited too long."""


class BatchDispatcher(Protocol):
    """Decides which calls of one endpoint run together. Used from one event loop."""

    async def dispatch(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """Wait for a batch with *inputs* in it, and give their results.

        Raises:
            BatchDroppedError: It waited too long.
        """

    async def aclose(self) -> None:
        """End what runs; calls that still wait are cancelled."""


@attrs.define(eq=False)
class _Waiting:
    """Inputs that wait for their batch."""

    inputs: Sequence[Any]
    results: asyncio.Future[Sequence[Any]]
    since: float


class BatchQueue:
    """Joins calls in the order in which they come, one batch at a time.

    A batch is run once it is full, or once its first call has waited as long as it may. Calls that come while a
    batch runs are the next one. Inputs of one call are parted when they are more than a batch holds.

    Args:
        run: Runs a batch; takes the inputs of each call in it, and gives the results of each.
        max_batch: Inputs of one batch.
        max_wait_s: Seconds that a call may wait for others.
    """

    def __init__(self, run: RunBatch, *, max_batch: int, max_wait_s: float) -> None:
        self._run = run
        self._max_batch = max_batch
        self._max_wait_s = max_wait_s
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Waiting] = []
        self._is_full = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def dispatch(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """Wait for a batch with *inputs* in it, and give their results; a cancelled call leaves its batch.

        Raises:
            BaseException: What the batch has raised.
        """
        own = [self._make_waiting(part) for part in self._part(inputs)]
        self._waiting.extend(own)
        if self._task is None:
            self._task = self._loop.create_task(self._serve(), name="batches")
        if self._count() >= self._max_batch:
            self._is_full.set()
        try:
            parts = [await each.results for each in own]
        finally:
            for each in own:
                each.results.cancel()
        return parts[0] if len(parts) == 1 else [result for part in parts for result in part]

    async def aclose(self) -> None:
        """Cancel the batch that runs and the calls that wait. Safe to call twice."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.results.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CLOSE_WAIT_S)

    def _part(self, inputs: Sequence[Any]) -> Sequence[Sequence[Any]]:
        size = self._max_batch
        if len(inputs) <= size:
            return [inputs]
        return [inputs[start : start + size] for start in range(0, len(inputs), size)]

    def _make_waiting(self, inputs: Sequence[Any]) -> _Waiting:
        return _Waiting(inputs, self._loop.create_future(), time.monotonic())

    def _count(self) -> int:
        return sum(len(each.inputs) for each in self._waiting if not each.results.done())

    async def _serve(self) -> None:
        """Run batches while anybody waits."""
        try:
            while self._waiting:
                await self._fill()
                batch = self._take()
                if batch:
                    await self._run_batch(batch)
        finally:
            self._task = None

    async def _fill(self) -> None:
        """Wait until the batch is full, or its first call has waited long enough."""
        self._is_full.clear()
        if self._count() >= self._max_batch:
            return
        left_s = self._waiting[0].since + self._max_wait_s - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, left_s)):
                await self._is_full.wait()
        except TimeoutError:
            return

    def _take(self) -> list[_Waiting]:
        """Take the oldest calls off the queue, as many as a batch holds."""
        batch: list[_Waiting] = []
        room = self._max_batch
        while self._waiting:
            first = self._waiting[0]
            if first.results.done():  # it was cancelled
                self._waiting.pop(0)
                continue
            if len(first.inputs) > room:
                break
            room -= len(first.inputs)
            batch.append(self._waiting.pop(0))
        return batch

    async def _run_batch(self, batch: list[_Waiting]) -> None:
        try:
            results = await self._run([each.inputs for each in batch])
        except asyncio.CancelledError:
            for each in batch:
                each.results.cancel()
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
        except BaseException as exc:  # noqa: BLE001  # it belongs to those who wait
            for each in batch:
                if not each.results.done():
                    each.results.set_exception(exc)
        else:
            for each, part in zip(batch, results, strict=True):
                if not each.results.done():
                    each.results.set_result(part)
