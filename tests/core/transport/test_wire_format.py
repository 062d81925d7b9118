"""The page about the wire format says what the code does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from dynamo_core import endpoint, service
from dynamo_core.transport import begun, frames, messages
from dynamo_core.transport.begun import BegunPage
from dynamo_core.transport.limits import DEFAULT_LIMITS

from .raw_for_tests import RawPeer
from .serving_for_tests import working

PAGE = Path(__file__).parents[3].joinpath("docs/reference/wire-format.md").read_text("utf-8")
KINDS = [
    "HELLO",
    "WELCOME",
    "REFUSE",
    "GOAWAY",
    "CALL",
    "BEGIN",
    "RESULT",
    "ITEMS",
    "END",
    "ERROR",
    "CANCEL",
    "CREDIT",
]


@service(name="Backend")
class Example:
    """The service of the page's example."""

    @endpoint
    async def add(self, a: int, b: int) -> int:
        return a + b

    @endpoint
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    @endpoint
    async def wait(self) -> None:
        await asyncio.Event().wait()


def exchange() -> list[tuple[str, bytes]]:
    """The example: each frame with who sends it."""
    (block,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    return [(line[0], bytes.fromhex(line[1:])) for line in re.split(r"\n(?=[<>])", block.strip())]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_its_number(name):
    """As the table has it."""
    assert re.search(rf"^\| {getattr(frames, name)} \| {name} \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", ["AS_JSON", "WANTS_STREAM", "NOT_BEGUN"])
def test_every_flag_has_its_bit(name):
    """As the tables have it."""
    assert re.search(rf"^\| {getattr(frames, name)} \| {name} \|", PAGE, re.MULTILINE)


def test_the_flag_of_every_frame_has_its_bit():
    """The text has it."""
    assert f"flag {frames.HAS_TAIL}, HAS_TAIL" in PAGE


@pytest.mark.parametrize("message", [messages.Hello, messages.Welcome, messages.Refusal])
def test_every_field_of_the_handshake_is_listed(message):
    """Readers of the page can write a handshake."""
    for name in message.__struct_fields__:
        assert f"`{name}`" in PAGE


def test_numbers_on_the_page_are_those_of_the_code():
    """Sizes, limits, versions."""
    assert f"version {messages.VERSION}." in PAGE
    assert f"at most {messages.MAX_OPEN_CALLS} calls" in PAGE
    assert f"is {begun.PAGE_BYTES} bytes" in PAGE
    assert f"modulo {begun.ENTRIES}" in PAGE
    assert f"({DEFAULT_LIMITS.handshake_timeout_s:g} s by default)" in PAGE
    assert f"at least {messages.SMALLEST_LIMIT_BYTES} |" in PAGE


def test_the_example_holds_whole_frames():
    """Every line of it is one."""
    for _, data in exchange():
        assert len(data) == 4 + int.from_bytes(data[:4], "big"), data.hex()


async def test_a_worker_answers_as_the_example_says(make_socket):
    """To the byte."""
    slot_socket = make_socket()
    page = BegunPage.create()
    async with working(slot_socket, cls=Example):
        peer = await RawPeer.open(slot_socket.path, page=page)
        for who, data in exchange():
            if who == ">":
                await peer.send(data)
                continue
            kind, flags, number, body = await peer.read()
            found = frames.encode_frame(kind, number, body, flags)
            assert found == data, f"{found.hex()} {msgspec.msgpack.decode(body) if body else ''}"
        peer.close()
    if page is not None:
        page.close()
