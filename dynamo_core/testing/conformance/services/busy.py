"""Several workers, limits of what runs at once, and calls that have to meet."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

from dynamo_core import current_call, depends, endpoint, service, with_options
from dynamo_core.testing.conformance.ledger import note

_FLOOD_ITEM_BYTES = 64 * 1024


@service(workers=2)
class Crew:
    """Two workers."""

    @endpoint
    async def slot(self) -> int:
        """Which of them answers."""
        call = current_call()
        return -1 if call is None else call.slot

    @endpoint
    async def identity(self) -> list[int]:
        """Which of them answers: process and object."""
        return [os.getpid(), id(self)]

    @endpoint
    async def hold(self, ledger: str) -> int:
        """Answer never."""
        call = current_call()
        slot = -1 if call is None else call.slot
        note(ledger, f"held by {slot}")
        await asyncio.Event().wait()
        return slot

    @endpoint
    async def slots(self) -> AsyncIterator[int]:
        """Which of them streams."""
        yield await self.slot()


@service(traffic={"max_queue": 1})
class Busy:
    """One worker, whose calls have to meet, or wait their turn."""

    def __init__(self) -> None:
        self._waiting = 0
        self._all_here = asyncio.Event()
        self._running = 0
        self._gate = asyncio.Event()

    @endpoint
    async def meet(self, parties: int) -> int:
        """Answer once so many calls are here at the same time."""
        self._waiting += 1
        number = self._waiting
        if self._waiting == parties:
            self._waiting = 0
            met, self._all_here = self._all_here, asyncio.Event()
            met.set()
        else:
            await self._all_here.wait()
        return number

    @endpoint(max_concurrency=2)
    async def two_at_once(self, ledger: str) -> int:
        """Wait for the gate; tell how many run beside it, itself included."""
        self._running += 1
        note(ledger, "runs")
        try:
            await self._gate.wait()
            return self._running
        finally:
            self._running -= 1

    @endpoint
    async def open_gate(self) -> None:
        """Let everybody go who waits."""
        self._gate.set()

    @endpoint
    async def close_gate(self) -> None:
        """Make everybody wait who comes."""
        self._gate.clear()

    @endpoint
    async def flood(self, ledger: str, items: int) -> AsyncIterator[bytes]:
        """Large items as fast as they are taken; note each."""
        for _ in range(items):
            note(ledger, "item")
            yield bytes(_FLOOD_ITEM_BYTES)

    @endpoint
    async def trickle(self, items: int) -> AsyncIterator[int]:
        """Small items."""
        for number in range(items):
            yield number
            await asyncio.sleep(0)


@service
class Caller:
    """Calls both."""

    crew = depends(Crew)
    busy = depends(Busy)

    @endpoint
    async def slots(self, routing: Any, calls: int) -> list[int]:
        """Which worker answers each of several calls."""
        crew = with_options(self.crew, routing=routing)
        return [await crew.slot() for _ in range(calls)]

    @endpoint
    async def meet(self, parties: int) -> list[int]:
        """Make so many calls at once; each is answered only when all are there."""
        return await asyncio.gather(*(self.busy.meet(parties) for _ in range(parties)))
