"""Calls over core's HTTP contract: the same values and the same errors as over sockets."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, TypedDict

import attrs
import httpx
import pydantic
import pytest

from dynamo_core import (
    HttpConfig,
    InvalidRequestError,
    OverloadedError,
    RemoteCallError,
    ServiceConfig,
    ServiceUnavailableError,
    WorkerLostError,
    api,
    endpoint,
    service,
    to_async,
    to_async_stream,
    with_options,
)
from dynamo_core.client import make_client
from dynamo_core.errors import CallTimeoutError, EndpointNotFoundError, UnsupportedValueError
from dynamo_core.host import Host
from dynamo_core.http import build_application, serve_http
from dynamo_core.inspection import define_service
from dynamo_core.remote.http_channel import HttpChannel

from ..http.test_tls import CERTIFICATE, KEY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


@attrs.define
class Box:
    content: bytes
    label: str = ""


class Row(TypedDict):
    name: str
    values: list[float]


class Model(pydantic.BaseModel):
    text: str
    tags: list[str] = []


@service(traffic={"max_concurrency": 1, "max_queue": 0})
class Far:
    """One endpoint of each kind."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.waiting = asyncio.Event()

    @api
    async def mixed(self, a: int, b: str = "b", *, c: list[int] | None = None) -> dict[str, Any]:
        return {"a": a, "b": b, "c": c}

    @api
    async def move(self, point: Point) -> Point:
        return Point(point.x + 1, point.y)

    @api
    async def pack(self, box: Box, times: int) -> list[Box]:
        return [box] * times

    @api
    async def row(self, row: Row) -> Row:
        return row

    @api
    async def model(self, model: Model) -> Model:
        return Model(text=model.text.upper(), tags=[*model.tags, "seen"])

    @api
    async def reverse(self, data: bytes) -> bytes:
        return data[::-1]

    @api
    async def nothing(self) -> None:
        return None

    @api
    def shout(self, text: str) -> str:
        return text.upper()

    @api(method="GET", path="/search")
    async def search(
        self, q: str, limit: int = 2, exact: bool = False, tags: list[str] | None = None
    ) -> list[Any]:
        return [q, limit, exact, tags]

    @api
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    @api
    def letters(self, text: str) -> Iterator[str]:
        yield from text

    @api
    async def breaking(self, count: int) -> AsyncIterator[Point]:
        for number in range(count):
            yield Point(number)
        raise ValueError("only the log says this")

    @api
    async def fail(self) -> None:
        raise ValueError("only the log says this")

    @api
    async def wait(self) -> None:
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    @api
    async def drip(self) -> AsyncIterator[int]:
        self.waiting.set()
        try:
            yield 0
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    @endpoint
    async def hidden(self) -> str:
        return "hidden"


@contextlib.asynccontextmanager
async def serving(cls: type = Far, **given: str) -> AsyncIterator[tuple[str, Host]]:
    """A service on a free port."""
    definition = define_service(cls)
    host = Host(definition, slot=0, config=definition.config, clients={}, run_id="test")
    await host.start()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    http = HttpConfig({"port": port, **given})
    stop = asyncio.Event()
    application = build_application(host, http, title="Far")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve_http(application, [listener], http, stop=stop, grace_s=1))
        try:
            yield f"{'https' if given else 'http'}://127.0.0.1:{port}", host
        finally:
            stop.set()
    await host.stop()


@contextlib.asynccontextmanager
async def client_of(url: str, cls: type = Far, **options: Any) -> AsyncIterator[Any]:
    """A client, as ``depends(url=...)`` gives it."""
    definition = define_service(cls)
    channel = HttpChannel(definition.name, url, **options)
    try:
        yield make_client(cls, definition, channel, asyncio.get_running_loop())
    finally:
        await channel.aclose()


@pytest.fixture
async def far() -> AsyncIterator[Any]:
    """A client of a running service."""
    async with serving() as (url, _), client_of(url) as client:
        yield client


async def test_values_of_every_kind_arrive(far: Any) -> None:
    """Parameters by name, models as the body, bytes as they are, and inside of models."""
    assert await far.mixed(1) == {"a": 1, "b": "b", "c": None}
    assert await far.mixed(1, "x", c=[1, 2]) == {"a": 1, "b": "x", "c": [1, 2]}
    assert await far.move(Point(1, 2)) == Point(2, 2)
    assert await far.pack(Box(b"\x00\xff", "l"), 2) == [Box(b"\x00\xff", "l")] * 2
    assert await far.row({"name": "n", "values": [0.5]}) == {"name": "n", "values": [0.5]}
    assert await far.model(Model(text="a")) == Model(text="A", tags=["seen"])
    assert await far.reverse(b"\x00\x01\xff") == b"\xff\x01\x00"
    assert await far.nothing() is None
    assert await to_async(far.shout)("x") == "X"


async def test_query_parameters_are_what_get_takes(far: Far) -> None:
    """Texts, numbers, truth values and lists."""
    assert await far.search("a b&c=d") == ["a b&c=d", 2, False, None]
    assert await far.search("7", limit=3, exact=True, tags=["x", "y"]) == ["7", 3, True, ["x", "y"]]


async def test_streams_give_their_items(far: Far) -> None:
    """In order, each as its type."""
    assert [item async for item in far.count(3)] == [0, 1, 2]
    assert [item async for item in far.count(0)] == []
    assert [item async for item in to_async_stream(far.letters)("abc")] == ["a", "b", "c"]


async def test_failure_within_a_stream_comes_after_its_items(far: Far) -> None:
    """As the error that any caller meets."""
    items = []
    with pytest.raises(RemoteCallError) as caught:
        async for item in far.breaking(2):
            items.append(item)  # it ends with an error
    assert items == [Point(0), Point(1)]
    assert (caught.value.service, caught.value.endpoint) == ("Far", "breaking")


async def test_errors_keep_their_classes(far: Any) -> None:
    """What they tell is what HTTP tells: nothing of the inside."""
    with pytest.raises(RemoteCallError) as failed:
        await far.fail()
    assert "only the log" not in str(failed.value)
    with pytest.raises(InvalidRequestError) as invalid:
        await far.mixed("one", c="no list")
    assert set(invalid.value.problems) == {"a", "c"}
    with pytest.raises(UnsupportedValueError):
        await far.mixed(object())
    with pytest.raises(ServiceUnavailableError, match="hidden"):
        await far.hidden()


async def test_deadline_ends_a_call_on_both_sides() -> None:
    """The far side is told by the end of the connection."""
    async with serving() as (url, host), client_of(url) as far:
        with pytest.raises(CallTimeoutError):
            await with_options(far, timeout_s=0.2).wait()
        async with asyncio.timeout(10):
            await host.instance.cancelled.wait()


@pytest.mark.parametrize("kind", ["call", "stream"])
async def test_giving_up_ends_a_call_on_the_far_side(kind: str) -> None:
    """Cancelled, or closed early."""
    async with serving() as (url, host), client_of(url) as far:
        if kind == "call":
            call = asyncio.ensure_future(far.wait())
            await host.instance.waiting.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        else:
            async with contextlib.aclosing(far.drip()) as items:
                assert await anext(items) == 0
        async with asyncio.timeout(10):
            await host.instance.cancelled.wait()


async def test_full_service_says_so() -> None:
    """One call runs, and none may wait."""
    async with serving() as (url, host), client_of(url) as far:
        call = asyncio.ensure_future(far.wait())
        await host.instance.waiting.wait()
        with pytest.raises(OverloadedError):
            await far.mixed(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of nobody's is refused, unless SSL_CERT_FILE has it."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_text(CERTIFICATE)
    key.write_text(KEY)
    async with serving(tls_certificate=str(certificate), tls_key=str(key)) as (url, _):
        async with client_of(url) as far:
            with pytest.raises(ServiceUnavailableError, match="certificate"):
                await far.mixed(1)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with client_of(url) as far:
            assert await far.reverse(b"ab") == b"ba"


async def test_many_calls_at_once() -> None:
    """BentoML's own client loses some."""

    @service
    class Plain:
        @api
        async def echo(self, number: int) -> int:
            return number

    async with serving(Plain) as (url, _), client_of(url, Plain) as plain:
        for start in range(0, 640, 64):
            numbers = range(start, start + 64)
            assert await asyncio.gather(*(plain.echo(number) for number in numbers)) == list(numbers)


async def test_nobody_there() -> None:
    """The address is in the error."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with client_of(url) as far:
        with pytest.raises(ServiceUnavailableError, match=url):
            await far.mixed(1)


def answering(*answers: Callable[[httpx.Request], httpx.Response]) -> tuple[httpx.MockTransport, list[str]]:
    """A transport that gives one answer after the other, and the paths that were asked for."""
    left, paths = list(answers), []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return left.pop(0)(request)

    return httpx.MockTransport(answer), paths


def lose(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadError("reset", request=request)


def give(status: int, content: bytes, media_type: str = "application/json") -> Callable[..., httpx.Response]:
    return lambda request: httpx.Response(status, content=content, headers={"content-type": media_type})


async def test_lost_connection_is_a_lost_worker() -> None:
    """The call may have run, and is not made again."""
    transport, paths = answering(lose)
    async with client_of("http://far", transport=transport) as far:
        with pytest.raises(WorkerLostError) as caught:
            await far.mixed(1)
    assert caught.value.begun
    assert paths == ["/mixed"]


async def test_idempotent_call_is_made_again() -> None:
    """Its endpoint says that it may be."""

    class Repeatable:
        @api(idempotent=True)
        async def echo(self, number: int) -> int:
            return number

    transport, paths = answering(lose, lose, give(200, b"7"))
    async with client_of("http://far", Repeatable, transport=transport) as far:
        assert await far.echo(7) == 7
    assert len(paths) == 3


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        (give(404, b"not here", "text/plain"), ServiceUnavailableError, "http://far answered 404: not here"),
        (
            give(404, b'{"status": 404}', "application/problem+json"),
            EndpointNotFoundError,
            "http://far .*'mixed'",
        ),
        (give(302, b"", "text/html"), ServiceUnavailableError, "http://far answered 302"),
        (
            give(200, b"<html>", "text/html"),
            ServiceUnavailableError,
            "http://far .* contract: it answered text/html",
        ),
        (give(204, b""), ServiceUnavailableError, "http://far answered 204"),
        (give(502, b"<html>bad gateway</html>", "text/html"), ServiceUnavailableError, "bad gateway"),
        (give(500, b"[1]"), ServiceUnavailableError, "500"),
        (give(200, b"not json"), UnsupportedValueError, "does not fit"),
        (give(200, b'"text"'), UnsupportedValueError, "does not fit"),
    ],
)
async def test_answers_of_something_else_are_errors_of_a_call(
    answer: Callable[..., httpx.Response], error: type[Exception], told: str
) -> None:
    """Proxies answer in their own words."""
    transport, _ = answering(answer)
    async with client_of("http://far", transport=transport) as far:
        with pytest.raises(error, match=told):
            await far.mixed(1)


async def test_page_in_the_place_of_a_stream_is_an_error() -> None:
    """Its lines are no items."""
    transport, _ = answering(give(200, b"1\n2\n", "text/plain"))
    async with client_of("http://far", transport=transport) as far:
        with pytest.raises(ServiceUnavailableError, match="text/plain, not application/x-ndjson"):
            await anext(far.count(2))


@contextlib.asynccontextmanager
async def raw_server(*answers: bytes) -> AsyncIterator[str]:
    """Sends those bytes in answer to one request each, then closes; with none left, it says nothing at all."""
    left, quiet = list(answers), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if not left:
            await quiet.wait()
        else:
            writer.write(left.pop(0))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        quiet.set()
        server.close()
        await server.wait_closed()


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"


async def test_stream_that_is_cut_never_looks_complete() -> None:
    """Its items come, then the loss."""
    items = []
    async with raw_server(HEAD + b"2\r\n1\n\r\n") as url, client_of(url) as far:
        with pytest.raises(WorkerLostError, match=url):
            async for item in far.count(2):
                items.append(item)  # it ends with an error
    assert items == [1]


async def test_server_that_says_nothing_meets_the_deadline() -> None:
    """As any endpoint that takes too long."""
    async with raw_server() as url, client_of(url) as far:
        with pytest.raises(CallTimeoutError):
            await with_options(far, timeout_s=0.1).mixed(1)
        with pytest.raises(CallTimeoutError):
            await anext(with_options(far, timeout_s=0.1).count(1))


async def test_server_that_speaks_no_http_is_a_lost_connection() -> None:
    """Something of another kind has the port."""
    async with raw_server(b"+PONG\r\n") as url, client_of(url) as far:
        with pytest.raises(WorkerLostError, match=url):
            await far.mixed(1)


async def test_other_service_at_the_address_is_told() -> None:
    """It has no such endpoint."""

    @service
    class Other:
        @api
        async def something(self) -> None: ...

    async with serving(Other) as (url, _), client_of(url) as far:
        with pytest.raises(EndpointNotFoundError, match=url):
            await far.mixed(1)


async def test_trace_context_travels_and_nothing_else_does() -> None:
    """Metadata has no place in the HTTP contract."""
    seen: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return give(200, b"{}")(request)

    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with client_of("http://far", transport=httpx.MockTransport(answer)) as far:
        await with_options(far, metadata={"traceparent": trace, "secret": "s"}).mixed(1)
    assert seen[0]["traceparent"] == trace
    assert "secret" not in seen[0]


def test_config_is_used() -> None:
    """The service of these tests takes one call at a time."""
    assert isinstance(define_service(Far).config, ServiceConfig)
    assert define_service(Far).config.traffic.max_concurrency == 1
