"""Calls that may take only so long."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from dynamo_core import CallTimeoutError, with_options
from dynamo_core.testing.conformance.harness import Conformance, OpenRun, on_loop
from dynamo_core.testing.conformance.needs import needs
from dynamo_core.testing.conformance.services.waiting import Patient, Waiting

if TYPE_CHECKING:
    from dynamo_core.testing.conformance.ledger import Ledger

LONG_S: float = 20.0
SHORT_S: float = 0.3


@needs("deadlines")
class DeadlineConformance(Conformance):
    """What a time limit means, here and further on."""

    entry: ClassVar[type] = Patient

    @on_loop
    async def test_call_ends_at_its_deadline(self, run: OpenRun, ledger: Ledger) -> None:
        """The caller gets a TimeoutError that names the call; the far side is cancelled."""
        with pytest.raises(CallTimeoutError) as caught:
            await with_options(run.client(Waiting), timeout_s=SHORT_S).wait(str(ledger))
        assert isinstance(caught.value, TimeoutError)
        assert (caught.value.service, caught.value.endpoint) == ("Waiting", "wait")
        await ledger.wait_for("ended")

    @on_loop
    async def test_endpoints_own_limit(self, run: OpenRun, ledger: Ledger) -> None:
        """``timeout_s`` of the endpoint holds for callers that say nothing."""
        with pytest.raises(CallTimeoutError) as caught:
            await run.client(Waiting).wait_shortly(str(ledger))
        assert caught.value.endpoint == "wait_shortly"
        await ledger.wait_for("ended")

    @on_loop
    async def test_configured_limit_of_a_service(self, run: OpenRun) -> None:
        """``traffic.timeout_s`` holds for endpoints that say nothing."""
        here, further_on = await run.client(Patient).remaining()
        assert here is not None
        assert further_on is not None
        assert 0 < further_on <= here <= 20.0

    @on_loop
    async def test_remaining_time_shrinks_along_the_chain(self, run: OpenRun) -> None:
        """A call's time is what its caller has left, and no more."""
        here, further_on = await with_options(run.client(Patient), timeout_s=LONG_S / 2).remaining()
        assert here is not None
        assert further_on is not None
        assert further_on < here <= LONG_S / 2

    @on_loop
    async def test_caller_cannot_give_more_than_it_has(self, run: OpenRun) -> None:
        """A longer limit for an inner call is cut to what is left."""
        patient = with_options(run.client(Patient), timeout_s=LONG_S / 2)
        remaining = await patient.remaining_with(LONG_S * 100)
        assert remaining is not None
        assert remaining <= LONG_S / 2

    @on_loop
    async def test_caller_can_give_less(self, run: OpenRun) -> None:
        """A shorter limit for an inner call holds."""
        remaining = await run.client(Patient).remaining_with(LONG_S / 10)
        assert remaining is not None
        assert remaining <= LONG_S / 10

    @on_loop
    async def test_no_limit_is_no_limit(self, run: OpenRun) -> None:
        """Where nobody sets one, there is none."""
        assert await run.client(Waiting).remaining() is None

    @on_loop
    async def test_inner_timeout_names_the_slow_service(self, run: OpenRun, ledger: Ledger) -> None:
        """The error of a chain tells which service was slow."""
        with pytest.raises(CallTimeoutError) as caught:
            await run.client(Patient).wait_at_most(str(ledger), SHORT_S)
        assert (caught.value.service, caught.value.endpoint) == ("Waiting", "wait")
        await ledger.wait_for("ended")

    @on_loop
    async def test_outer_deadline_ends_the_inner_call(self, run: OpenRun, ledger: Ledger) -> None:
        """Once the outer call is out of time, so is everything it has begun."""
        with pytest.raises(CallTimeoutError) as caught:
            await with_options(run.client(Patient), timeout_s=SHORT_S).wait(str(ledger))
        assert caught.value.service in {"Patient", "Waiting"}
        await ledger.wait_for("ended")
        await ledger.wait_for("outer ended")

    @needs("streams")
    @on_loop
    async def test_stream_ends_at_its_deadline(self, run: OpenRun, ledger: Ledger) -> None:
        """A stream's limit is that of all its items together; those in time arrive."""
        items = with_options(run.client(Waiting), timeout_s=SHORT_S).one_then_wait(str(ledger))
        assert await anext(items) == 1
        with pytest.raises(CallTimeoutError):
            await anext(items)
        await ledger.wait_for("ended")
