"""Calls of batchable endpoints, joined: an endpoint that takes a list is run once for the lists of several calls."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import itertools
from typing import TYPE_CHECKING, Any

from dynamo_core.definition import EndpointKind
from dynamo_core.errors import OverloadedError
from dynamo_core.host.batch_queue import CLOSE_WAIT_S, BatchDroppedError, BatchQueue
from dynamo_core.host.thread_call import ThreadCall

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dynamo_core.config import TrafficConfig
    from dynamo_core.definition import EndpointDefinition
    from dynamo_core.host.batch_queue import BatchDispatcher, RunBatch
    from dynamo_core.host.workplace import Workplace

    MakeDispatcher = Callable[[RunBatch, EndpointDefinition, TrafficConfig], BatchDispatcher]


def make_queue(run: RunBatch, endpoint: EndpointDefinition, traffic: TrafficConfig) -> BatchDispatcher:
    """Make the dispatcher for where the provider has none of its own."""
    return BatchQueue(run, max_batch=traffic.max_batch, max_wait_s=traffic.max_batch_wait_s)


class _Inputs(list[Any]):
    """The inputs of one call on their way through the dispatcher."""

    is_abandoned = False
    batch: asyncio.Task[Any] | None = None
    companions: tuple[_Inputs, ...] = ()


class Batcher:
    """Joins the calls of one endpoint; made on the event loop.

    Args:
        endpoint: The endpoint.
        method: The bound method, ``async def`` or ``def``.
        workplace: Where calls run.
        traffic: The service's limits.
        make_dispatcher: Makes what decides which calls go together.
    """

    def __init__(
        self,
        endpoint: EndpointDefinition,
        method: Callable[..., Any],
        workplace: Workplace,
        traffic: TrafficConfig,
        make_dispatcher: MakeDispatcher,
    ) -> None:
        self._endpoint = endpoint
        self._method = method
        self._workplace = workplace
        self._max_batch = traffic.max_batch
        (self._parameter,) = (each.name for each in endpoint.parameters)
        self._batches: set[asyncio.Task[Any]] = set()
        self._dispatcher = make_dispatcher(self._run, endpoint, traffic)

    async def call(self, **arguments: Any) -> Any:
        """Answer one call with its part of a batch's result.

        Raises:
            OverloadedError: It waited longer than it may.
            BaseException: What the endpoint raised for the whole batch.
        """
        given = arguments.get(self._parameter)
        if not given:  # the default, or nothing to join
            return await self._run_method(arguments)
        inputs = _Inputs(given)
        waiting = asyncio.ensure_future(self._dispatcher.dispatch(inputs))
        try:
            # BentoML's dispatcher takes a cancellation for its own decision to drop a call.
            return await asyncio.shield(waiting)
        except BatchDroppedError as exc:
            raise OverloadedError(
                self._workplace.service, self._endpoint.name, limit=self._max_batch
            ) from exc
        finally:
            if not waiting.done():
                self._abandon(inputs, waiting)

    async def aclose(self) -> None:
        """End the dispatcher and what it runs; a batch that does not let itself be cancelled is left alone."""
        for batch in self._batches:
            batch.cancel()
        if self._batches:
            await asyncio.wait(self._batches, timeout=CLOSE_WAIT_S)
        await self._dispatcher.aclose()

    def _abandon(self, inputs: _Inputs, waiting: asyncio.Future[Any]) -> None:
        """Nobody waits for *inputs* any more; a batch for which nobody waits is cancelled."""
        inputs.is_abandoned = True
        waiting.add_done_callback(_retrieve)
        waiting.cancel()
        if inputs.batch is not None and all(each.is_abandoned for each in inputs.companions):
            inputs.batch.cancel()

    async def _run(self, calls: Sequence[Sequence[Any]]) -> list[list[Any]]:
        """Run a batch: the inputs of several calls, and the results of each."""
        wanted = [call for call in calls if not getattr(call, "is_abandoned", False)]
        if not wanted:
            return [[] for _ in calls]
        together = list(itertools.chain.from_iterable(wanted))
        # A task in a context of its own: the dispatcher's is that of whichever call came first.
        batch = asyncio.get_running_loop().create_task(
            self._run_method({self._parameter: together}),
            name=f"batch of {self._workplace.service}.{self._endpoint.name}",
            context=contextvars.Context(),
        )
        self._batches.add(batch)
        batch.add_done_callback(self._batches.discard)
        own = tuple(call for call in wanted if isinstance(call, _Inputs))
        for call in own:
            call.batch, call.companions = batch, own
        results = list(await batch)
        if len(results) != len(together):
            raise ValueError(
                f"{self._workplace.service}.{self._endpoint.name} was given {len(together)} inputs and gave "
                f"{len(results)} results; a batchable endpoint gives one for each"
            )
        left = iter(results)
        parts = {id(call): list(itertools.islice(left, len(call))) for call in wanted}
        return [parts.get(id(call), []) for call in calls]

    async def _run_method(self, arguments: dict[str, Any]) -> Any:
        if self._endpoint.kind is not EndpointKind.SYNC:
            return await self._method(**arguments)
        calls = self._workplace.calls

        def returned(is_dropped: bool, error: BaseException | None) -> None:
            if job.is_left:
                calls.thread_returned()

        job = ThreadCall(functools.partial(self._method, **arguments), returned)
        self._workplace.threads.submit(job)
        try:
            return await job.wait()
        finally:
            if job.is_left:
                calls.thread_left()


def _retrieve(waiting: asyncio.Future[Any]) -> None:
    with contextlib.suppress(BaseException):
        waiting.exception()
