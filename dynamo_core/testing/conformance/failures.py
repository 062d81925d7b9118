"""Errors: what a caller learns, and what never happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from dynamo_core import InvalidRequestError, RemoteCallError, UnsupportedValueError, to_async, to_async_stream
from dynamo_core.testing.conformance.harness import Conformance, OpenRun, on_loop
from dynamo_core.testing.conformance.needs import needs
from dynamo_core.testing.conformance.services.failing import Careful, Failing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dynamo_core.testing.conformance.ledger import Ledger


class ErrorConformance(Conformance):
    """What a caller of a failing endpoint can rely on."""

    entry: ClassVar[type] = Careful

    @on_loop
    async def test_exception_arrives_as_facts(self, run: OpenRun) -> None:
        """Type name, message, traceback text, service, slot and endpoint."""
        with pytest.raises(RemoteCallError) as caught:
            await run.client(Failing).fail("on purpose")
        error = caught.value
        assert (error.type_name, error.message) == ("ValueError", "on purpose")
        assert (error.service, error.slot, error.endpoint) == ("Failing", 0, "fail")
        assert "raise ValueError(message)" in error.traceback_text
        assert "failing.py" in error.traceback_text

    @needs("sync_endpoints")
    @on_loop
    async def test_exception_of_a_thread_arrives(self, run: OpenRun) -> None:
        """A ``def`` endpoint's exception is no different."""
        with pytest.raises(RemoteCallError) as caught:
            await to_async(run.client(Failing).fail_in_thread)("on purpose")
        assert (caught.value.type_name, caught.value.message) == ("LookupError", "on purpose")

    @on_loop
    async def test_exception_of_an_unknown_class_arrives(self, run: OpenRun) -> None:
        """Nothing is rebuilt, so an exception of any class can be told of."""
        with pytest.raises(RemoteCallError) as caught:
            await run.client(Failing).fail_peculiarly()
        assert caught.value.type_name == "PeculiarError"
        assert caught.value.message.startswith("code 7")

    @on_loop
    async def test_nested_exception_keeps_its_origin(self, run: OpenRun) -> None:
        """An error that a service lets through still names the service it comes from."""
        with pytest.raises(RemoteCallError) as caught:
            await run.client(Careful).let_through("deep")
        error = caught.value
        assert (error.type_name, error.message, error.service) == ("ValueError", "deep", "Failing")

    @needs("sync_endpoints")
    @on_loop
    async def test_nested_exception_of_a_thread_keeps_its_origin(self, run: OpenRun) -> None:
        """The same through two threads."""
        with pytest.raises(RemoteCallError) as caught:
            await to_async(run.client(Careful).let_through_in_thread)("deep")
        assert (caught.value.type_name, caught.value.service) == ("LookupError", "Failing")

    @on_loop
    async def test_caller_service_can_catch(self, run: OpenRun) -> None:
        """A service that catches the error has its facts."""
        facts = await run.client(Careful).catch("deep")
        assert facts == {"type_name": "ValueError", "message": "deep", "service": "Failing"}

    @on_loop
    async def test_translated_error_tells_its_cause(self, run: OpenRun) -> None:
        """An error raised because of another one is the outer service's, with the cause in its traceback."""
        with pytest.raises(RemoteCallError) as caught:
            await run.client(Careful).translate("deep")
        assert (caught.value.type_name, caught.value.service) == ("KeyError", "Careful")
        assert "ValueError: deep" in caught.value.traceback_text

    @needs("streams")
    @on_loop
    async def test_stream_fails_after_its_items(self, run: OpenRun) -> None:
        """Every item before the failure arrives, then the failure does."""
        items, error = await _read(run.client(Failing).fail_after(3))
        assert items == [0, 1, 2]
        assert (error.type_name, error.message, error.endpoint) == ("RuntimeError", "after 3", "fail_after")

    @needs("streams")
    @on_loop
    async def test_stream_fails_before_its_first_item(self, run: OpenRun) -> None:
        """A stream may fail at once."""
        items, error = await _read(run.client(Failing).fail_after(0))
        assert items == []
        assert error.message == "after 0"

    @needs("streams", "sync_endpoints")
    @on_loop
    async def test_stream_of_a_thread_fails_after_its_items(self, run: OpenRun) -> None:
        """A generator's exception is no different."""
        items, error = await _read(to_async_stream(run.client(Failing).fail_in_thread_after)(2))
        assert items == [0, 1]
        assert error.message == "after 2"

    @needs("streams")
    @on_loop
    async def test_nested_stream_fails_after_its_items(self, run: OpenRun) -> None:
        """A failing stream goes along a chain, items first."""
        items, error = await _read(run.client(Careful).stream_through(3))
        assert items == [0, 1, 2]
        assert (error.message, error.service) == ("after 3", "Failing")

    @on_loop
    async def test_every_bad_argument_is_named(self, run: OpenRun, ledger: Ledger) -> None:
        """Wrong, missing and unknown parameters are told at once, and the method does not run."""
        strict: Any = run.client(Failing).strict
        with pytest.raises(InvalidRequestError) as caught:
            await strict(str(ledger), "seven", ["text"], ratio="much")
        assert set(caught.value.problems) == {"number", "text", "ratio"}
        assert (caught.value.service, caught.value.endpoint) == ("Failing", "strict")
        with pytest.raises(InvalidRequestError) as caught:
            await strict(str(ledger), colour="red", ratio=1.0)
        assert set(caught.value.problems) == {"number", "text", "colour"}
        with pytest.raises(InvalidRequestError):
            await strict(str(ledger), 1, "a", "one too many")
        with pytest.raises(InvalidRequestError) as caught:
            await strict(str(ledger), 1, "a", number=2)
        assert "number" in caught.value.problems
        assert ledger.lines() == []
        assert await strict(str(ledger), 1, "a") == "1a1.0"
        assert ledger.lines() == ["ran"]

    @on_loop
    async def test_result_that_is_not_as_declared(self, run: OpenRun) -> None:
        """A result that does not fit its annotation is an error, and no wrong value."""
        with pytest.raises(UnsupportedValueError, match="int"):
            await run.client(Failing).lie()

    @on_loop
    async def test_result_that_cannot_travel(self, run: OpenRun) -> None:
        """A result that cannot be sent is an error that says so."""
        with pytest.raises(UnsupportedValueError, match="object"):
            await run.client(Failing).unsendable()

    @on_loop
    async def test_endpoint_cannot_end_its_worker(self, run: OpenRun) -> None:
        """``SystemExit`` is an exception like any other."""
        with pytest.raises(RemoteCallError) as caught:
            await run.client(Failing).exit()
        assert caught.value.type_name == "SystemExit"
        assert await run.client(Failing).works() == "works"

    @on_loop
    async def test_worker_goes_on_after_errors(self, run: OpenRun) -> None:
        """Failed calls take no place and leave nothing behind."""
        for number in range(50):
            with pytest.raises(RemoteCallError):
                await run.client(Failing).fail(str(number))
        assert await run.client(Failing).works() == "works"


async def _read(stream: AsyncIterator[int]) -> tuple[list[int], RemoteCallError]:
    """What came before the error that a stream ends with, and that error."""
    items: list[int] = []
    try:
        async for item in stream:
            items.append(item)  # noqa: PERF401  # the items before the error count
    except RemoteCallError as exc:
        return items, exc
    raise AssertionError(f"the stream ended as if all were well, after {items}")
