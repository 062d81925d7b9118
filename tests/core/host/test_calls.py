"""Calls that give one result: results, errors, and what an endpoint knows of its call."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any

import pytest

from dynamo_core import endpoint, service
from dynamo_core.errors import (
    CallCancelledError,
    CallTimeoutError,
    EndpointNotFoundError,
    InvalidRequestError,
    OverloadedError,
    RemoteCallError,
    ServiceUnavailableError,
    WorkerLostError,
)
from dynamo_core.host import CallContext, current_call

from .hosting_for_tests import call, context_of, eventually, hosting, make_host, stream


@service(name="Backend")
class Service:
    error: BaseException | None = None

    @endpoint
    async def add(self, a: int, b: int = 2) -> int:
        return a + b

    @endpoint
    def add_in_thread(self, a: int, b: int = 2) -> int:
        return a + b

    @endpoint
    async def look(self) -> Any:
        return current_call()

    @endpoint
    def look_in_thread(self) -> Any:
        return current_call(), threading.current_thread()

    @endpoint
    async def fail(self) -> int:
        assert self.error is not None
        raise self.error

    @endpoint
    def fail_in_thread(self) -> int:
        assert self.error is not None
        raise self.error


@pytest.mark.parametrize("name", ["add", "add_in_thread"])
async def test_arguments_come_by_name_and_defaults_are_pythons(name: str) -> None:
    async with hosting(Service) as host:
        assert await call(host, name, a=1) == 3
        assert await call(host, name, a=1, b=5) == 6


async def test_an_endpoint_of_an_unknown_name_is_named_with_those_there_are() -> None:
    async with hosting(Service) as host:
        with pytest.raises(EndpointNotFoundError) as caught:
            host.endpoint("ad")
    assert (caught.value.service, caught.value.endpoint) == ("Backend", "ad")
    assert "add" in caught.value.known


async def test_the_running_call_is_known_to_its_endpoint_only() -> None:
    """It is set while the endpoint runs, in its thread too, and not afterwards."""
    async with hosting(Service) as host:
        context = context_of(host, "look")
        assert await host.endpoint("look").call({}, context) is context
        assert current_call() is None
        context = context_of(host, "look_in_thread")
        seen, thread = await host.endpoint("look_in_thread").call({}, context)
    assert seen is context
    assert thread is not threading.current_thread()
    assert thread.name.startswith("Backend-3")


@pytest.mark.parametrize("name", ["fail", "fail_in_thread"])
async def test_an_exception_becomes_data_and_one_line_of_the_log(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The traceback that travels begins in the user's code."""
    async with hosting(Service) as host:
        host.instance.error = ZeroDivisionError("by zero")
        with pytest.raises(RemoteCallError) as caught:
            await call(host, name)
    error = caught.value
    assert (error.type_name, error.message) == ("ZeroDivisionError", "by zero")
    assert (error.service, error.slot, error.endpoint) == ("Backend", 3, name)
    assert error.traceback_text.startswith("Traceback (most recent call last):")
    assert error.traceback_text.count("  File ") == 1
    assert f"in {name}" in error.traceback_text
    assert error.traceback_text.endswith("ZeroDivisionError: by zero\n")
    (record,) = [each for each in caplog.records if each.name == "dynamo_core.host"]
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[1] is host.instance.error


@pytest.mark.parametrize("name", ["fail", "fail_in_thread"])
@pytest.mark.parametrize(
    ("raised", "type_name"),
    [
        (SystemExit(3), "SystemExit"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
        (StopIteration(1), "RuntimeError"),
        (StopAsyncIteration(), "StopAsyncIteration"),
        (BaseException("odd"), "BaseException"),
        (ExceptionGroup("two", [ValueError("a"), KeyError("b")]), "ExceptionGroup"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_no_exception_breaks_the_host(name: str, raised: BaseException, type_name: str) -> None:
    async with hosting(Service) as host:
        host.instance.error = raised
        with pytest.raises(RemoteCallError) as caught:
            await call(host, name)
        assert caught.value.type_name == type_name
        assert await call(host, "add", a=1) == 3
        assert host.running_calls == 0


@pytest.mark.parametrize("name", ["fail", "fail_in_thread"])
async def test_an_endpoint_that_cancels_itself_is_told_from_a_cancelled_caller(name: str) -> None:
    async with hosting(Service) as host:
        host.instance.error = asyncio.CancelledError()
        with pytest.raises(CallCancelledError) as caught:
            await call(host, name)
    assert (caught.value.service, caught.value.endpoint, caught.value.slot) == ("Backend", name, 3)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


async def test_an_exception_without_text_still_travels() -> None:
    async with hosting(Service) as host:
        host.instance.error = Unprintable()
        with pytest.raises(RemoteCallError) as caught:
            await call(host, "fail")
    assert caught.value.type_name == "Unprintable"
    assert "RuntimeError" in caught.value.message


async def test_long_texts_are_cut_where_they_are_long() -> None:
    async with hosting(Service) as host:
        host.instance.error = ValueError("begin" + "x" * 1_000_000 + "end")
        with pytest.raises(RemoteCallError) as caught:
            await call(host, "fail")
    for text in (caught.value.message, caught.value.traceback_text):
        assert len(text) <= 64 * 1024
        assert "characters were cut" in text
    assert caught.value.message.startswith("begin")
    assert caught.value.message.endswith("end")


async def test_an_error_of_a_nested_call_keeps_its_origin(caplog: pytest.LogCaptureFixture) -> None:
    """The caller learns which service failed, and by which one the error came."""
    async with hosting(Service) as host:
        host.instance.error = RemoteCallError(
            "KeyError", "'x'", traceback_text="Traceback ...\n", service="Store", slot=1, endpoint="get"
        )
        with pytest.raises(RemoteCallError) as caught:
            await call(host, "fail")
    error = caught.value
    assert (error.type_name, error.message) == ("KeyError", "'x'")
    assert (error.service, error.slot, error.endpoint) == ("Store", 1, "get")
    assert error.traceback_text == "Traceback ...\nlet through by Backend.fail (worker Backend/3)\n"
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "error",
    [
        CallTimeoutError("Store", "get"),
        OverloadedError("Store", "get", limit=4),
        ServiceUnavailableError("Store", "gone"),
        CallCancelledError("Store", "get", slot=2),
        InvalidRequestError("Backend", "fail", {"text": "too long"}),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_a_caller_can_act_on_travels_as_it_is(error: Exception) -> None:
    async with hosting(Service) as host:
        host.instance.error = error
        with pytest.raises(type(error)) as caught:
            await call(host, "fail")
    assert caught.value is error


async def test_a_worker_that_a_nested_call_lost_does_not_make_the_outer_call_unbegun() -> None:
    async with hosting(Service) as host:
        host.instance.error = WorkerLostError("Store", 2, endpoint="get", begun=False, reason="killed")
        with pytest.raises(WorkerLostError) as caught:
            await call(host, "fail")
    assert caught.value.begun
    assert (caught.value.service, caught.value.slot, caught.value.reason) == ("Store", 2, "killed")


async def test_bad_arguments_of_a_nested_call_are_a_fault_of_the_endpoint() -> None:
    async with hosting(Service) as host:
        host.instance.error = InvalidRequestError("Store", "get", {"key": "missing"})
        with pytest.raises(RemoteCallError) as caught:
            await call(host, "fail")
    assert caught.value.type_name == "InvalidRequestError"
    assert (caught.value.service, caught.value.endpoint) == ("Backend", "fail")


async def test_calls_before_the_start_and_after_the_stop_are_refused() -> None:
    host = make_host(Service)
    for reason in ("not been started", "stops"):
        for name in ("add", "add_in_thread"):
            with pytest.raises(ServiceUnavailableError, match=reason):
                await call(host, name, a=1)
        if reason == "not been started":
            await host.start()
            await host.stop()


async def test_a_call_of_the_wrong_form_says_which_one_is_right() -> None:
    async with hosting(Service) as host:
        with pytest.raises(RemoteCallError, match=r"use call\(\)"):
            await anext(stream(host, "add", a=1))


@service
class Waiting:
    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended: list[str] = []
        self.go_on = threading.Event()
        self.context: CallContext | None = None

    @endpoint
    async def wait(self) -> str:
        self.context = current_call()
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append("wait")
        return "never"

    @endpoint
    async def stubborn(self) -> str:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.ended.append("stubborn")
        return "late"

    @endpoint
    def block(self) -> str:
        context = self.context = current_call()
        self.go_on.wait()
        assert context is not None
        self.ended.append(f"block {context.is_cancelled}")
        return "dropped"

    @endpoint
    def block_and_fail(self) -> str:
        self.context = current_call()
        self.go_on.wait()
        raise ValueError("nobody waits")


async def test_cancelling_the_caller_cancels_the_endpoint() -> None:
    async with hosting(Waiting) as host:
        running = asyncio.create_task(call(host, "wait"))
        await host.instance.begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert host.instance.ended == ["wait"]
        assert host.instance.context.is_cancelled
        assert host.running_calls == 0


async def test_a_thread_goes_on_and_its_result_is_dropped() -> None:
    """A cancelled call of a ``def`` endpoint ends at once for its caller; draining waits for the thread."""
    async with hosting(Waiting) as host:
        running = asyncio.create_task(call(host, "block"))
        await eventually(lambda: host.instance.context)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert host.instance.context.is_cancelled
        assert not await host.drain(0)
        host.instance.go_on.set()
        assert await host.drain(10)
        assert host.instance.ended == ["block True"]


async def test_what_a_thread_raises_when_nobody_waits_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with hosting(Waiting) as host:
        running = asyncio.create_task(call(host, "block_and_fail"))
        await eventually(lambda: host.instance.context)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        host.instance.go_on.set()
        assert await host.drain(10)
    assert any("given up" in each.message and each.exc_info for each in caplog.records)


async def test_a_deadline_cancels_the_endpoint_and_names_the_service() -> None:
    async with hosting(Waiting) as host:
        with pytest.raises(CallTimeoutError) as caught:
            await call(host, "wait", timeout_s=0.2)
        assert host.instance.ended == ["wait"]
    assert (caught.value.service, caught.value.endpoint) == ("Waiting", "wait")


async def test_an_answer_past_the_deadline_is_no_answer() -> None:
    async with hosting(Waiting) as host:
        with pytest.raises(CallTimeoutError):
            await call(host, "stubborn", timeout_s=0.2)
        assert host.instance.ended == ["stubborn"]
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0


async def test_a_deadline_that_has_passed_keeps_the_endpoint_from_running() -> None:
    async with hosting(Waiting) as host:
        with pytest.raises(CallTimeoutError):
            await call(host, "wait", timeout_s=-1)
        assert not host.instance.begun.is_set()


async def test_a_deadline_ends_the_wait_for_a_thread() -> None:
    async with hosting(Waiting) as host:
        with pytest.raises(CallTimeoutError):
            await call(host, "block", timeout_s=0.3)
        assert host.instance.context.is_cancelled
        host.instance.go_on.set()


@pytest.mark.parametrize("after_s", [-0.001, 0.001])
async def test_a_cancelled_caller_stays_cancelled_when_the_deadline_passes_too(after_s: float) -> None:
    """Both in one turn of the loop, in either order."""
    async with hosting(Waiting) as host:
        running = asyncio.create_task(call(host, "wait", timeout_s=0.3))
        await host.instance.begun.wait()
        left_s = host.instance.context.remaining_s()
        asyncio.get_running_loop().call_later(left_s + after_s, running.cancel)
        time.sleep(left_s + 0.01)
        with pytest.raises(asyncio.CancelledError):
            await running


@service
class Limited:
    @endpoint(timeout_s=30)
    async def own(self) -> Any:
        call = current_call()
        return None if call is None else call.remaining_s()

    @endpoint
    async def default(self) -> Any:
        call = current_call()
        return None if call is None else call.remaining_s()


async def test_without_a_deadline_the_endpoints_limit_counts_then_the_services() -> None:
    async with hosting(Limited, traffic={"timeout_s": 500}) as host:
        assert 20 < await call(host, "own") <= 30
        assert 400 < await call(host, "default") <= 500
        assert 50 < await call(host, "own", timeout_s=100) <= 100
    async with hosting(Limited) as host:
        assert await call(host, "default") is None
