"""Streams: their forms, how they end, how they fail, and clients that leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from dynamo_core.errors import OverloadedError, WorkerLostError

from .serving_for_tests import SERVICE, build, client_of, eventually, route, serving

ProblemOf = Callable[[httpx.Response, int], dict[str, Any]]


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def words(text: str) -> AsyncIterator[str]:
    for word in text.split():
        yield word + " "


async def chunks(count: int) -> AsyncIterator[bytes]:
    for number in range(count):
        yield bytes([number])


@route("GET", "/ticks")
async def ticks(count: int = 2) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def full(count: int) -> AsyncIterator[int]:
    if count >= 0:
        raise OverloadedError(SERVICE, "full", limit=1, retry_after_s=2.5)
    yield 0


async def breaking(count: int) -> AsyncIterator[str]:
    for number in range(count):
        yield f"line {number}"
    raise ValueError("the secret reason")


async def losing(count: int) -> AsyncIterator[int]:
    yield count
    raise WorkerLostError("Backend", 3, reason="signal 9")


async def wrong_item() -> AsyncIterator[int]:
    yield 1
    yield "two"


FUNCTIONS = (numbers, words, chunks, ticks, full, breaking, losing, wrong_item)


@pytest.fixture(name="client")
def client_fixture() -> httpx.AsyncClient:
    return client_of(build(*FUNCTIONS))


async def test_a_stream_is_ndjson_by_default(client: httpx.AsyncClient) -> None:
    for accept in ("*/*", "application/json", "image/png", "text/plain", "text/event-stream;q=0"):
        response = await client.post("/numbers", json={"count": 3}, headers={"accept": accept})
        assert response.headers["content-type"] == "application/x-ndjson", accept
        assert response.content == b"0\n1\n2\n"


async def test_a_stream_is_server_sent_events_where_asked(client: httpx.AsyncClient) -> None:
    for accept in ("text/event-stream", "text/html, text/event-stream;q=0.5"):
        response = await client.post("/words", json={"text": "a b"}, headers={"accept": accept})
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-cache"
        assert response.text == 'data: "a "\n\ndata: "b "\n\nevent: end\ndata: {}\n\n'


async def test_a_stream_of_text_is_text_where_asked(client: httpx.AsyncClient) -> None:
    response = await client.post("/words", json={"text": "ä b"}, headers={"accept": "text/plain"})
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == "ä b "


async def test_a_stream_of_bytes_is_bytes_where_asked(client: httpx.AsyncClient) -> None:
    response = await client.post("/chunks", json={"count": 3}, headers={"accept": "application/octet-stream"})
    assert response.content == b"\x00\x01\x02"
    assert (await client.post("/chunks", json={"count": 1})).content == b'"AA=="\n'


async def test_get_streams_too(client: httpx.AsyncClient) -> None:
    assert (await client.get("/ticks?count=2")).content == b"0\n1\n"


async def test_an_empty_stream_is_complete(client: httpx.AsyncClient) -> None:
    response = await client.post("/numbers", json={"count": 0})
    assert (response.status_code, response.content) == (200, b"")


async def test_a_failure_before_the_first_item_has_its_own_status(
    client: httpx.AsyncClient, problem_of: ProblemOf
) -> None:
    response = await client.post("/full", json={"count": 1})
    assert problem_of(response, 503)["kind"] == "OverloadedError"
    assert response.headers["retry-after"] == "3"
    problem_of(await client.post("/breaking", json={"count": 0}), 500)
    problem_of(await client.post("/numbers", json={"count": "x"}), 422)


async def _read_until_cut(url: str, path: str, body: object, accept: str) -> bytes:
    """Read a stream that breaks off, and check that its client notices."""
    received = b""
    async with (
        httpx.AsyncClient(base_url=url) as client,
        client.stream("POST", path, json=body, headers={"accept": accept}) as response,
    ):
        assert response.status_code == 200
        parts = response.aiter_raw()
        try:
            async for part in parts:
                received += part
        except httpx.RemoteProtocolError as exc:
            assert "incomplete chunked read" in str(exc)  # noqa: PT017  # what came before it is wanted, too
            return received
    raise AssertionError("the stream looks complete")


async def test_a_failure_after_the_first_item_is_a_last_line_and_never_looks_complete(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(build(*FUNCTIONS)) as server:
        received = await _read_until_cut(server.url, "/breaking", {"count": 2}, "*/*")
        *items, last = received.splitlines()
        assert items == [b'"line 0"', b'"line 1"']
        problem = json.loads(last)["error"]
        assert (problem["status"], problem["kind"]) == (500, "RemoteCallError")
        assert "secret" not in last.decode()
        assert problem["reference"] in caplog.text
        assert "ASGI" not in caplog.text


async def test_a_failure_after_the_first_item_is_a_last_event() -> None:
    async with serving(build(*FUNCTIONS)) as server:
        received = await _read_until_cut(server.url, "/losing", {"count": 7}, "text/event-stream")
        first, last, rest = received.split(b"\n\n")
        assert (first, rest) == (b"data: 7", b"")
        name, data = last.split(b"\n")
        assert name == b"event: error"
        problem = json.loads(data.removeprefix(b"data: "))
        assert (problem["status"], problem["kind"]) == (503, "WorkerLostError")


async def test_a_failing_stream_of_text_is_cut_and_nothing_is_added() -> None:
    async with serving(build(*FUNCTIONS)) as server:
        assert await _read_until_cut(server.url, "/breaking", {"count": 1}, "text/plain") == b"line 0"


async def test_an_item_that_does_not_fit_ends_the_stream() -> None:
    async with serving(build(*FUNCTIONS)) as server:
        received = await _read_until_cut(server.url, "/wrong_item", {}, "*/*")
        assert received.splitlines()[0] == b"1"
        assert json.loads(received.splitlines()[1])["error"]["status"] == 500


async def test_items_arrive_as_they_come() -> None:
    step = asyncio.Event()

    async def stepping() -> AsyncIterator[int]:
        yield 1
        await step.wait()
        yield 2

    async with (
        serving(build(stepping)) as server,
        httpx.AsyncClient(base_url=server.url) as client,
        client.stream("POST", "/stepping") as response,
    ):
        lines = response.aiter_lines()
        assert await anext(lines) == "1"
        step.set()
        assert await anext(lines) == "2"


async def test_a_client_that_leaves_a_stream_ends_the_generator() -> None:
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving(build(endless)) as server, httpx.AsyncClient(base_url=server.url) as client:
        async with client.stream("POST", "/endless") as response:
            assert await anext(response.aiter_lines()) == "1"
        async with asyncio.timeout(5):
            await ended.wait()


async def test_a_client_that_leaves_a_busy_stream_ends_the_generator() -> None:
    ended = asyncio.Event()

    async def busy() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    async with serving(build(busy)) as server, httpx.AsyncClient(base_url=server.url) as client:
        async with client.stream("POST", "/busy") as response:
            assert await anext(response.aiter_lines()) == "1"
        async with asyncio.timeout(5):
            await ended.wait()


async def test_a_client_that_leaves_a_call_cancels_it(caplog: pytest.LogCaptureFixture) -> None:
    begun = asyncio.Event()
    cancelled = asyncio.Event()

    async def hang() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with serving(build(hang)) as server:
        _, writer = await server.open()
        writer.write(b"POST /hang HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        await begun.wait()
        writer.close()
        async with asyncio.timeout(5):
            await cancelled.wait()
    assert caplog.text == ""


async def test_a_client_that_leaves_while_it_sends_never_runs_the_method() -> None:
    async def take(data: bytes) -> None:
        raise AssertionError("must not run")

    application = build(take)
    async with serving(application) as server:
        _, writer = await server.open()
        writer.write(
            b"POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
            b"Content-Type: application/octet-stream\r\n\r\nabc"
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        async with httpx.AsyncClient(base_url=server.url) as client:
            assert (await client.get("/healthz")).status_code == 200


async def test_many_ready_items_do_not_hold_the_loop() -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    async with client_of(build(numbers)) as client:
        before = turns
        await client.post("/numbers", json={"count": 2000})
    counting.cancel()
    await eventually(counting.done)
    assert turns - before > 20
