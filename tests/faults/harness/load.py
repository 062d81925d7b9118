"""An open-loop driver: calls at a fixed rate, whatever becomes of those before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from dynamo_core import with_options
from harness.ledgers import OK, CallRecord, ClientLedger

if TYPE_CHECKING:
    from types import TracebackType

RATE = 100.0
DEADLINE_S = 5.0


class Load:
    """Makes calls from entering the block until leaving it, then waits for the outcome of each.

    Args:
        ledger: Takes down the calls.
        client: Of the service that is called.
        service: Its name.
        endpoint: What is called, with an id as its only argument; or what makes the call, given the client.
        rate: Calls per second.
        deadline_s: Seconds that each call is given.
        is_idempotent: Whether the endpoint is declared so.

    Attributes:
        calls: The records of this load's calls.
    """

    def __init__(
        self,
        ledger: ClientLedger,
        client: Any,
        service: str,
        *,
        endpoint: str | Callable[[Any, str], Awaitable[object]] = "work",
        rate: float = RATE,
        deadline_s: float = DEADLINE_S,
        is_idempotent: bool = False,
    ) -> None:
        self.calls: list[CallRecord] = []
        self._ledger = ledger
        self._client = with_options(client, timeout_s=deadline_s)
        self._service = service
        self._endpoint = endpoint
        self._rate = rate
        self._deadline_s = deadline_s
        self._is_idempotent = is_idempotent
        self._tasks: set[asyncio.Task[None]] = set()
        self._driving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Load:
        self._driving = asyncio.create_task(self._drive(), name="driver")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._driving is not None
        self._driving.cancel()
        await asyncio.gather(self._driving, return_exceptions=True)
        await asyncio.gather(*self._tasks)

    async def _drive(self) -> None:
        began = time.monotonic()
        made = 0
        while True:
            task = asyncio.create_task(self._call(), name="call")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            made += 1
            await asyncio.sleep(max(0.0, began + made / self._rate - time.monotonic()))

    async def _call(self) -> None:
        record = await self._ledger.record(
            self._make_call,
            service=self._service,
            deadline_s=self._deadline_s,
            is_idempotent=self._is_idempotent,
        )
        self.calls.append(record)

    def _make_call(self, call_id: str) -> Awaitable[object]:
        if callable(self._endpoint):
            return self._endpoint(self._client, call_id)
        made: Awaitable[object] = getattr(self._client, self._endpoint)(call_id)
        return made

    # --- what was seen -------------------------------------------------------------------------------------

    @property
    def failed(self) -> list[CallRecord]:
        """Calls that had another outcome than an answer."""
        return [call for call in self.calls if call.outcome != OK]

    def answered(
        self, *, since: float = 0.0, until: float = float("inf"), slot: int | None = None
    ) -> list[CallRecord]:
        """Calls made in a span of time that were answered, by any worker or by that of one slot."""
        return [
            call
            for call in self.calls
            if call.outcome == OK and since <= call.started < until and slot in {None, call.answer.slot}
        ]

    async def first_answer_of(self, pid: int, *others: Load, timeout_s: float = 20.0) -> float:
        """When the first answer of a worker process came in, to a call of this load or of another."""
        async with asyncio.timeout(timeout_s):
            while True:
                for load in (self, *others):
                    for call in load.calls:
                        if call.outcome == OK and call.answer.pid == pid:
                            return call.ended
                await asyncio.sleep(0.002)


def percentile(calls: list[CallRecord], share: float) -> float:
    """Seconds within which a share of the calls had their outcome; 0 for no calls."""
    times = sorted(call.took_s for call in calls)
    return times[min(len(times) - 1, int(len(times) * share))] if times else 0.0
