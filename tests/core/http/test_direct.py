"""The short way between an application and its connection; what a request costs, in things that can be counted."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from dynamo_core.http.connection_limits import ConnectionLimits
from dynamo_core.http.direct import LARGEST_COPIED_BYTES
from dynamo_core.http.hardened_protocol import HardenedProtocol

from .serving_for_tests import build, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMITS = ConnectionLimits(
    header_timeout_s=60, body_timeout_s=60, keep_alive_s=60, max_header_bytes=65536, max_connections=10
)
MOST_FUNCTIONS_PER_REQUEST = 80
"""Python functions that run between the bytes of a request and those of its answer; 71 when this was written."""


class RecordingTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None:
        pass  # a test says when something comes

    def resume_reading(self) -> None:
        pass

    def can_write_eof(self) -> bool:
        return False


class Connected:
    """One connection to an application, in memory."""

    def __init__(self, application: Any) -> None:
        config = Config(
            application,
            http=HardenedProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            proxy_headers=False,
        )
        config.load()
        self.protocol = HardenedProtocol(config, ServerState(), {}, LIMITS, lambda: None)
        self.transport = RecordingTransport()
        self.protocol.connection_made(self.transport)

    def send(self, path: str, body: bytes, *fields: str, version: str = "1.1") -> None:
        lines = [f"POST {path} HTTP/{version}", "Host: localhost", f"Content-Length: {len(body)}"]
        lines += ["Content-Type: application/json", *fields]
        self.protocol.data_received("\r\n".join([*lines, "\r\n"]).encode() + body)

    async def answered(self, count: int = 1) -> bytes:
        await eventually(lambda: self.protocol.server_state.total_requests >= count)
        return b"".join(self.transport.written)

    def lose(self) -> None:
        self.protocol.connection_lost(None)


@pytest.fixture
def connect() -> Iterator[Callable[[Any], Connected]]:
    """Connects to an application; connections end with the test."""
    opened: list[Connected] = []

    def connect(application: Any) -> Connected:
        opened.append(Connected(application))
        return opened[-1]

    yield connect
    for each in opened:
        each.lose()


async def echo(text: str) -> str:
    return text


async def test_an_answer_is_one_write(connect: Callable[[Any], Connected]) -> None:
    """Head and body: each would be a system call and perhaps a packet."""
    connected = connect(build(echo))
    connected.send("/echo", b'{"text": "hello"}')
    answer = await connected.answered()
    assert len(connected.transport.written) == 1
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b'"hello"'
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 200 OK",
        b"content-type: application/json",
        b"x-content-type-options: nosniff",
        b"content-length: 7",
    ]


async def test_requests_that_come_together_are_answered_in_their_order(
    connect: Callable[[Any], Connected],
) -> None:
    connected = connect(build(echo))
    for number in range(3):
        connected.send("/echo", b'{"text": "%d"}' % number)
    answer = await connected.answered(3)
    assert [part[-3:] for part in answer.split(b"HTTP/1.1 200 OK")[1:]] == [b'"0"', b'"1"', b'"2"']


async def test_a_large_body_is_not_copied_behind_its_head(connect: Callable[[Any], Connected]) -> None:
    async def large() -> bytes:
        return bytes(LARGEST_COPIED_BYTES + 1)

    connected = connect(build(large))
    connected.send("/large", b"")
    await connected.answered()
    assert [len(part) for part in connected.transport.written][1:] == [LARGEST_COPIED_BYTES + 1]


@pytest.mark.parametrize(("version", "field"), [("1.1", "Connection: close"), ("1.0", "X-Other: 1")])
async def test_the_connection_is_closed_where_the_client_wants_it(
    connect: Callable[[Any], Connected], version: str, field: str
) -> None:
    connected = connect(build(echo))
    connected.send("/echo", b'{"text": "hello"}', field, version=version)
    assert b"\r\nconnection: close\r\n" in await connected.answered()
    assert connected.transport.is_closed


async def test_what_stands_between_keeps_its_say(connect: Callable[[Any], Connected]) -> None:
    """A middleware that changes answers sees this one."""
    application = build(echo)

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        async def add_field(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-added", b"1"))
            await send(message)

        await application(scope, receive, add_field)

    connected = connect(middleware)
    connected.send("/echo", b'{"text": "hello"}')
    assert b"\r\nx-added: 1\r\n" in await connected.answered()


async def test_a_client_that_leaves_cancels_its_call_at_once(connect: Callable[[Any], Connected]) -> None:
    """The server tells: no timer runs, no task waits beside the call."""
    begun = asyncio.Event()
    ended: list[str] = []

    async def hang() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    connected = connect(build(hang))
    connected.send("/hang", b"")
    await begun.wait()
    assert {task.get_name() for task in asyncio.all_tasks()}.isdisjoint({"http-disconnect"})
    connected.lose()
    while connected.protocol.tasks:
        await asyncio.sleep(0)
    assert ended == ["cancelled"]
    assert connected.transport.written == []


async def test_a_client_that_left_before_its_call_began_gets_none_run(
    connect: Callable[[Any], Connected],
) -> None:
    """The connection ends in the same turn as the request comes."""
    connected = connect(build(echo))
    connected.send("/echo", b'{"text": "hello"}')
    connected.lose()
    while connected.protocol.tasks:
        await asyncio.sleep(0)
    assert connected.transport.written == []


async def test_a_request_costs_few_function_calls(connect: Callable[[Any], Connected]) -> None:
    """What is decided once must not be decided again: models analysed, schemas made, decoders built."""
    connected = connect(build(echo))
    connected.send("/echo", b'{"text": "warm"}')
    await connected.answered()
    called: list[str] = []

    def note(frame: Any, event: str, _argument: object) -> None:
        if event == "call" and frame.f_globals["__name__"].startswith(("dynamo_core.", "uvicorn.")):
            called.append(frame.f_code.co_qualname)

    tasks = len(asyncio.all_tasks())
    sys.setprofile(note)
    try:
        connected.send("/echo", b'{"text": "hello"}')
        made = len(asyncio.all_tasks()) - tasks
        while connected.protocol.server_state.total_requests < 2:
            await asyncio.sleep(0)
    finally:
        sys.setprofile(None)
    assert made == 1
    assert len(called) <= MOST_FUNCTIONS_PER_REQUEST, called
