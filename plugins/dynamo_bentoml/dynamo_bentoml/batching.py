"""Calls of batchable endpoints, joined by BentoML's dispatcher, whichever way they come in."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
from typing import TYPE_CHECKING, Any, Final

import attrs

from dynamo_bentoml.serving import BatchDispatcher, DroppedError
from dynamo_core.definition import EndpointKind, ServiceDefinition
from dynamo_core.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dynamo_core.definition import EndpointDefinition
    from dynamo_core.host import Host

PATIENCE_S: Final = 60.0
"""How long a call that has no time limit may wait for its batch before it is refused."""


class Batching:
    """Puts BentoML's dispatcher before the batchable endpoints of one service.

    Args:
        definition: The service.

    Attributes:
        definition: The service as core's host runs it: its batchable endpoints are asynchronous, since they wait for
            their batch; the batch itself runs as its method is written.
    """

    def __init__(self, definition: ServiceDefinition) -> None:
        self._original = definition
        self._batchers: list[Batcher] = []
        self.definition = attrs.evolve(
            definition,
            endpoints={
                name: attrs.evolve(endpoint, kind=EndpointKind.UNARY) if endpoint.batchable else endpoint
                for name, endpoint in definition.endpoints.items()
            },
        )

    def attach(self, host: Host) -> None:
        """Have calls of batchable endpoints joined from now on; the host has been started."""
        for endpoint in self._original.endpoints.values():
            if endpoint.batchable:
                method = getattr(host.instance, endpoint.attribute)
                batcher = Batcher(self._original, endpoint, method)
                self._batchers.append(batcher)
                host.endpoint(endpoint.name).bind(batcher.call)

    async def aclose(self) -> None:
        """End the dispatchers; calls that still wait are refused."""
        for batcher in self._batchers:
            await batcher.aclose()


class _Inputs(list[Any]):
    """The inputs of one call on their way through the dispatcher."""

    is_abandoned = False
    batch: asyncio.Task[Any] | None = None
    companions: tuple[_Inputs, ...] = ()


class Batcher:
    """Joins the calls of one endpoint.

    Args:
        service: The service.
        endpoint: The endpoint.
        method: The bound method.
    """

    def __init__(
        self, service: ServiceDefinition, endpoint: EndpointDefinition, method: Callable[..., Any]
    ) -> None:
        traffic = service.config.traffic
        self._service = service.name
        self._endpoint = endpoint
        self._method = method
        (self._parameter,) = (each.name for each in endpoint.parameters)
        limit_s = traffic.timeout_s if endpoint.timeout_s is None else endpoint.timeout_s
        self._max_batch = traffic.max_batch
        self._dispatcher = BatchDispatcher(
            self._run,
            service=service.name,
            endpoint=endpoint.name,
            max_batch=traffic.max_batch,
            patience_s=PATIENCE_S if limit_s is None else limit_s,
        )

    async def call(self, **arguments: Any) -> Any:
        """Answer one call with its part of a batch's result.

        Raises:
            OverloadedError: It waited longer than it may.
        """
        if self._parameter not in arguments:
            return await self._run_method(arguments)
        inputs = _Inputs(arguments[self._parameter])
        if not inputs:
            return await self._run_method(arguments)  # the dispatcher counts inputs
        waiting = asyncio.ensure_future(self._dispatcher.dispatch(inputs))
        try:
            # BentoML's dispatcher takes a cancellation for its own decision to drop a call.
            return await asyncio.shield(waiting)
        except DroppedError as exc:
            raise OverloadedError(self._service, self._endpoint.name, limit=self._max_batch) from exc
        finally:
            if not waiting.done():
                self._abandon(inputs, waiting)

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
            name=f"batch of {self._service}.{self._endpoint.name}",
            context=contextvars.Context(),
        )
        own = tuple(call for call in wanted if isinstance(call, _Inputs))
        for call in own:
            call.batch, call.companions = batch, own
        results = list(await batch)
        if len(results) != len(together):
            raise ValueError(
                f"{self._service}.{self._endpoint.name} was given {len(together)} inputs and gave "
                f"{len(results)} results; a batchable endpoint gives one for each"
            )
        left = iter(results)
        parts = {id(call): list(itertools.islice(left, len(call))) for call in wanted}
        return [parts.get(id(call), []) for call in calls]

    async def _run_method(self, arguments: dict[str, Any]) -> Any:
        if self._endpoint.kind is EndpointKind.SYNC:
            return await asyncio.to_thread(self._method, **arguments)
        return await self._method(**arguments)

    async def aclose(self) -> None:
        """End the dispatcher."""
        await self._dispatcher.aclose()


def _retrieve(waiting: asyncio.Future[Any]) -> None:
    with contextlib.suppress(BaseException):
        waiting.exception()
