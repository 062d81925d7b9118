"""What goes wrong, and the problem document it becomes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dynamo_core.errors import (
    CallCancelledError,
    CallTimeoutError,
    InvalidRequestError,
    OverloadedError,
    RemoteCallError,
    ServiceUnavailableError,
    WorkerLostError,
)

from .serving_for_tests import SERVICE, DirectHost, build, client_of, serving

ProblemOf = Callable[[httpx.Response, int], dict[str, Any]]

FAILURES: list[tuple[Exception, int, str | None]] = [
    (InvalidRequestError(SERVICE, "fail", {"a": "wrong"}), 422, None),
    (InvalidRequestError("Backend", "generate", {"a": "wrong"}), 500, None),
    (OverloadedError(SERVICE, "fail", limit=3, retry_after_s=0.2), 503, "1"),
    (ServiceUnavailableError("Backend", "no worker is ready"), 503, "1"),
    (WorkerLostError("Backend", 0, begun=False), 503, "1"),
    (WorkerLostError("Backend", 0, begun=True), 503, None),
    (CallCancelledError("Backend", "generate"), 503, None),
    (CallTimeoutError("Backend", "generate", timeout_s=2), 504, None),
    (RemoteCallError("KeyError", "'password'", traceback_text="Traceback ..."), 500, None),
]


@pytest.mark.parametrize(("error", "status", "retry_after"), FAILURES, ids=lambda each: type(each).__name__)
async def test_each_error_of_a_call_has_its_status(
    error: Exception,
    status: int,
    retry_after: str | None,
    problem_of: ProblemOf,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise error

    async with client_of(build(fail)) as client:
        response = await client.post("/fail")
    document = problem_of(response, status)
    assert document["kind"] == type(error).__name__
    assert document.get("worker") == ("Backend/0" if isinstance(error, WorkerLostError) else None)
    assert response.headers.get("retry-after") == retry_after
    assert "password" not in response.text
    assert "Traceback" not in response.text
    if status == 500:
        assert document["reference"] in caplog.text


async def test_a_defect_is_logged_with_its_traceback_and_shown_without(
    problem_of: ProblemOf, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise AssertionError

    host = DirectHost(fail)

    async def broken(arguments: dict[str, object], call: object) -> object:
        raise LookupError("inner secret")

    host.endpoint("fail").call = broken
    async with client_of(build(direct=host)) as client:
        response = await client.post("/fail")
    assert problem_of(response, 500)["kind"] == "InternalError"
    assert "secret" not in response.text
    assert caplog.records[0].exc_info is not None


async def test_unknown_paths_and_methods(problem_of: ProblemOf) -> None:
    async def run() -> None: ...

    async with client_of(build(run)) as client:
        problem_of(await client.post("/nowhere"), 404)
        response = await client.get("/run")
        problem_of(response, 405)
        assert response.headers["allow"] == "OPTIONS, POST"
        options = await client.options("/run")
        assert (options.status_code, options.headers["allow"]) == (204, "OPTIONS, POST")
        assert (await client.post("/healthz")).headers["allow"] == "GET, HEAD, OPTIONS"


async def test_a_cancellation_from_outside_is_not_swallowed() -> None:
    begun = asyncio.Event()

    async def hang() -> None:
        begun.set()
        await asyncio.Event().wait()

    async with client_of(build(hang)) as client:
        asking = asyncio.create_task(client.post("/hang"))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_the_trace_context_travels_with_the_call() -> None:
    async def run() -> None: ...

    host = DirectHost(run)
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    bad = [good.upper(), good[:-1], "00-" + "0" * 32 + good[35:], "ff" + good[2:], good + "-more", "x"]
    async with client_of(build(direct=host)) as client:
        await client.post("/run", headers={"traceparent": good, "tracestate": "a=1,b=2"})
        for each in bad:
            await client.post("/run", headers={"traceparent": each, "tracestate": "a=1"})
        await client.post("/run", headers={"tracestate": "a=1"})
    first, *others = [dict(context.metadata) for context in host.endpoint("run").contexts]
    assert first == {"traceparent": good, "tracestate": "a=1,b=2"}
    assert others == [{}] * (len(bad) + 1)


async def test_a_body_over_the_limit_is_refused_in_memory_too(problem_of: ProblemOf) -> None:
    async def take(data: bytes) -> int:
        return len(data)

    headers = {"content-type": "application/octet-stream"}

    async def parts() -> Any:
        for _ in range(3):
            yield b"abcd"

    async with client_of(build(take, max_body_bytes=10)) as client:
        assert (await client.post("/take", content=b"a" * 10, headers=headers)).json() == 10
        problem_of(await client.post("/take", content=b"a" * 11, headers=headers), 413)
        problem_of(await client.post("/take", content=parts(), headers=headers), 413)


async def test_a_large_body_sent_to_the_wrong_place_still_gets_its_answer(problem_of: ProblemOf) -> None:
    async def take(data: bytes) -> int:
        return len(data)

    headers = {"content-type": "application/octet-stream"}
    async with (
        serving(build(take, max_body_bytes=1000), max_body_bytes=1000) as server,
        httpx.AsyncClient(base_url=server.url) as client,
    ):
        problem_of(await client.post("/take", content=b"a" * 3_000_000, headers=headers), 413)
        problem_of(await client.post("/nowhere", content=b"a" * 3_000_000, headers=headers), 404)


async def test_title_of_a_problem_is_the_phrase_of_the_status_line() -> None:
    """Whatever this Python calls the status."""

    async def add(a: int) -> int:
        return a

    async with serving(build(add)) as server:
        answer = await server.send_raw(
            b"POST /add HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
            b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        )
    head, _, body = answer.partition(b"\r\n\r\n")
    phrase = head.splitlines()[0].removeprefix(b"HTTP/1.1 422 ").decode()
    assert json.loads(body)["title"] == phrase
