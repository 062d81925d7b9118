"""Calls that nobody waits for any more."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from dynamo_core import to_async, to_async_stream
from dynamo_core.testing.conformance.harness import Conformance, OpenRun, on_loop
from dynamo_core.testing.conformance.needs import needs
from dynamo_core.testing.conformance.services.waiting import Patient, Waiting

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from dynamo_core.testing.conformance.ledger import Ledger


@needs("cancellation")
class CancellationConformance(Conformance):
    """What becomes of an endpoint whose caller has left."""

    entry: ClassVar[type] = Patient

    @on_loop
    async def test_cancelled_call_cancels_its_endpoint(self, run: OpenRun, ledger: Ledger) -> None:
        """The far side gets a CancelledError, and its ``finally`` runs."""
        await _cancel_once_begun(run.client(Waiting).wait(str(ledger)), ledger)
        await ledger.wait_for("ended")
        assert ledger.lines() == ["began", "cancelled", "ended"]

    @on_loop
    async def test_cancellation_goes_along_the_chain(self, run: OpenRun, ledger: Ledger) -> None:
        """Cancelling the outer call cancels the inner one."""
        await _cancel_once_begun(run.client(Patient).wait(str(ledger)), ledger)
        await ledger.wait_for("ended")
        await ledger.wait_for("outer ended")

    @on_loop
    async def test_time_limit_of_the_caller_cancels(self, run: OpenRun, ledger: Ledger) -> None:
        """``asyncio.timeout`` around a call is a cancellation like any other."""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await run.client(Waiting).wait(str(ledger))
        await ledger.wait_for("ended")

    @needs("sync_endpoints")
    @on_loop
    async def test_thread_learns_of_cancellation(self, run: OpenRun, ledger: Ledger) -> None:
        """A thread cannot be cancelled; its context says that nobody waits."""
        await _cancel_once_begun(to_async(run.client(Waiting).wait_in_thread)(str(ledger)), ledger)
        await ledger.wait_for("cancelled")

    @needs("streams")
    @on_loop
    async def test_stream_closed_early_ends_its_endpoint(self, run: OpenRun, ledger: Ledger) -> None:
        """Closing the iterator runs the generator's ``finally`` on the far side."""
        stream = run.client(Waiting).tick(str(ledger))
        async with contextlib.aclosing(stream):  # type: ignore[type-var]  # declared as what it iterates
            assert [await anext(stream) for _ in range(3)] == [0, 1, 2]
        await ledger.wait_for("ended")

    @needs("streams")
    @on_loop
    async def test_stream_that_is_being_waited_for_is_cancelled(self, run: OpenRun, ledger: Ledger) -> None:
        """Cancelling the reader in the middle of a step ends the stream."""

        async def read() -> None:
            async for _ in run.client(Waiting).one_then_wait(str(ledger)):
                got_one.set()

        got_one = asyncio.Event()
        reading = asyncio.ensure_future(read())
        await got_one.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await ledger.wait_for("ended")

    @needs("streams")
    @on_loop
    async def test_early_close_goes_along_the_chain(self, run: OpenRun, ledger: Ledger) -> None:
        """Closing the outer stream closes the inner one."""
        stream = run.client(Patient).tick(str(ledger))
        async with contextlib.aclosing(stream):  # type: ignore[type-var]  # declared as what it iterates
            await anext(stream)
        await ledger.wait_for("ended")
        await ledger.wait_for("outer ended")

    @needs("streams", "sync_endpoints")
    @on_loop
    async def test_generator_closed_early_runs_its_finally(self, run: OpenRun, ledger: Ledger) -> None:
        """The same for a generator in a thread."""
        stream = to_async_stream(run.client(Waiting).tick_in_thread)(str(ledger))
        async with contextlib.aclosing(stream):
            assert await anext(stream) == 0
        await ledger.wait_for("ended")

    @on_loop
    async def test_cancelled_calls_leave_the_worker_working(self, run: OpenRun, ledger: Ledger) -> None:
        """Whoever is cancelled takes no place."""
        calls = [asyncio.ensure_future(run.client(Waiting).wait(str(ledger))) for _ in range(32)]
        await ledger.wait_for("began", times=32)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await ledger.wait_for("ended", times=32)
        assert await run.client(Waiting).remaining() is None

    @on_loop
    async def test_one_cancelled_call_does_not_touch_another(self, run: OpenRun, ledger: Ledger) -> None:
        """Calls of one connection are cancelled one by one."""
        other = asyncio.ensure_future(run.client(Waiting).wait(str(ledger)))
        await ledger.wait_for("began")
        calls = [asyncio.ensure_future(run.client(Waiting).wait(str(ledger))) for _ in range(4)]
        await ledger.wait_for("began", times=5)
        for call in calls:
            call.cancel()
        await ledger.wait_for("ended", times=4)
        assert not other.done()
        other.cancel()
        await ledger.wait_for("ended", times=5)


async def _cancel_once_begun(work: Coroutine[Any, Any, Any], ledger: Ledger) -> None:
    call = asyncio.ensure_future(work)
    await ledger.wait_for("began")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
