"""The way to the workers of one service, without leaving the process."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from dynamo_core.channel import Buffer, CallOptions, Channel, Routing
from dynamo_core.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from dynamo_core.definition import EndpointDefinition
    from dynamo_core.inprocess.calls import WorkerCalls


class InProcessChannel(Channel):
    """Picks a worker for each call, and hands it the bytes.

    A service without workers is unavailable at once: in one process, nothing can be on its way back.

    Args:
        service: Name of the service.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._workers: tuple[WorkerCalls, ...] = ()
        self._turn = -1
        self._is_closed = False

    @property
    def service(self) -> str:
        """Name of the service."""
        return self._service

    def set_workers(self, workers: Mapping[int, WorkerCalls]) -> None:
        """Give calls that begin from now on to these workers, by slot."""
        self._workers = tuple(workers[slot] for slot in sorted(workers))

    async def call(self, endpoint: EndpointDefinition, arguments: bytes, options: CallOptions) -> Buffer:
        """Make one call."""
        return await self._pick(options.routing).call(endpoint, arguments, options)

    async def stream(
        self, endpoint: EndpointDefinition, arguments: bytes, options: CallOptions
    ) -> AsyncGenerator[Buffer, None]:
        """Make one call whose result is a stream."""
        chunks = self._pick(options.routing).stream(endpoint, arguments, options)
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            await chunks.aclose()

    def _pick(self, routing: Routing) -> WorkerCalls:
        workers = self._workers
        if not workers:
            state = "its run has ended" if self._is_closed else "it has no worker"
            raise ServiceUnavailableError(self._service, state)
        if isinstance(routing, int):
            return self._pick_slot(routing)
        if routing == "random":
            return random.choice(workers)  # noqa: S311  # balance, not secrecy
        self._turn = (self._turn + 1) % len(workers)
        if routing == "least_loaded":
            in_turn = workers[self._turn :] + workers[: self._turn]
            return min(in_turn, key=lambda worker: worker.count)
        return workers[self._turn]

    def _pick_slot(self, slot: int) -> WorkerCalls:
        for worker in self._workers:
            if worker.slot == slot:
                return worker
        slots = ", ".join(str(worker.slot) for worker in self._workers)
        raise ServiceUnavailableError(self._service, f"it has no worker in slot {slot}; slots: {slots}")

    async def aclose(self) -> None:
        """Take no more calls; those under way end with their workers."""
        self._is_closed = True
        self._workers = ()
