"""Endpoints that wait until something ends them, and note how they ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

from dynamo_core import current_call, depends, endpoint, service, with_options
from dynamo_core.testing.conformance.ledger import note

_LONGEST_S = 30.0
_LOOK_S = 0.01


@service
class Waiting:
    """Waits."""

    @endpoint
    async def wait(self, ledger: str) -> None:
        """Wait for ever, on the loop."""
        note(ledger, "began")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            note(ledger, "cancelled")
            raise
        finally:
            note(ledger, "ended")

    @endpoint
    def wait_in_thread(self, ledger: str) -> bool:
        """Wait in a thread until the call's context says that nobody wants the result."""
        note(ledger, "began")
        call = current_call()
        give_up = time.monotonic() + _LONGEST_S
        while call is not None and not call.is_cancelled and time.monotonic() < give_up:
            time.sleep(_LOOK_S)
        note(ledger, "cancelled" if call is not None and call.is_cancelled else "gave up")
        return True

    @endpoint
    async def tick(self, ledger: str) -> AsyncIterator[int]:
        """One item after the other, for ever."""
        note(ledger, "began")
        number = 0
        try:
            while True:
                yield number
                number += 1
                await asyncio.sleep(0)
        finally:
            note(ledger, "ended")

    @endpoint
    async def one_then_wait(self, ledger: str) -> AsyncIterator[int]:
        """One item, and then nothing for ever."""
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            note(ledger, "ended")

    @endpoint
    def tick_in_thread(self, ledger: str) -> Iterator[int]:
        """One item after the other, for ever, in a thread."""
        number = 0
        try:
            while True:
                yield number
                number += 1
        finally:
            note(ledger, "ended")

    @endpoint(timeout_s=0.2)
    async def wait_shortly(self, ledger: str) -> None:
        """Has a time limit of its own."""
        try:
            await asyncio.Event().wait()
        finally:
            note(ledger, "ended")

    @endpoint
    async def remaining(self) -> float | None:
        """Seconds that the call has left."""
        call = current_call()
        return None if call is None else call.remaining_s()


@service(traffic={"timeout_s": 20.0})
class Patient:
    """Calls what waits; its own calls have a limit by its configuration."""

    waiting = depends(Waiting)

    @endpoint
    async def wait(self, ledger: str) -> None:
        """Wait for it."""
        try:
            await self.waiting.wait(ledger)
        finally:
            note(ledger, "outer ended")

    @endpoint
    async def tick(self, ledger: str) -> AsyncIterator[int]:
        """Pass on its items."""
        try:
            async for number in self.waiting.tick(ledger):
                yield number
        finally:
            note(ledger, "outer ended")

    @endpoint
    async def wait_at_most(self, ledger: str, timeout_s: float) -> None:
        """Wait for it, with a limit."""
        await with_options(self.waiting, timeout_s=timeout_s).wait(ledger)

    @endpoint
    async def remaining(self) -> list[float | None]:
        """Seconds left here, and one service further on."""
        call = current_call()
        return [None if call is None else call.remaining_s(), await self.waiting.remaining()]

    @endpoint
    async def remaining_with(self, timeout_s: float) -> float | None:
        """Seconds left one service further on, of a call with this limit."""
        return await with_options(self.waiting, timeout_s=timeout_s).remaining()
