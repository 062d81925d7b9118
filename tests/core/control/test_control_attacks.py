"""Whatever comes to the control socket: nothing of it is done, and the run goes on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from dynamo_core.channel import DEFAULT_OPTIONS
from dynamo_core.control import RunDirectory
from dynamo_core.control.client import ControlClient
from dynamo_core.control.server import LARGEST_REQUEST_BYTES, ControlServer
from dynamo_core.control.verbs import CONTROL_SERVICE, ControlVerbs
from dynamo_core.errors import CallError, EndpointNotFoundError
from dynamo_core.inspection import define_service
from dynamo_core.transport import Member, SlotChannel

from .control_for_tests import ObedientRun

CANARY = "touch {canary}"
CIRCUS = [
    {"command": "add", "properties": {"name": "x", "cmd": CANARY, "start": True}},
    {"command": "set", "properties": {"name": "Backend", "options": {"cmd": CANARY}}},
    {"command": "set", "properties": {"name": "Backend", "options": {"env": {"PYTHONPATH": "/tmp"}}}},
    {"command": "options", "properties": {"name": "Backend"}},
    {"command": "quit", "properties": {}},
    {"id": "1", "command": "reloadconfig"},
]
RAW = {
    "array": b"[]",
    "number": b"1",
    "null": b"null",
    "zeros": bytes(64),
    "ones": b"\xff" * 4096,
    "http": b"POST /stop HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "zmq": b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f",
    "pickle": b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "16 MB": b"\x00\x00\x10\x00" + b"\x93" * (16 * 1024 * 1024),
    "huge frame": b"\xff\xff\xff\xff" + b"x" * 1024,
    "long frame": (LARGEST_REQUEST_BYTES + 1).to_bytes(4, "big") + b"x" * 65536,
    "circus": json.dumps(CIRCUS[0]).encode(),
}


@attrs.frozen
class Attacked:
    """A run, and where it listens."""

    run: ObedientRun
    directory: RunDirectory

    def client(self) -> ControlClient:
        return ControlClient(self.directory.control_socket_path, self.directory.run_id)


@pytest.fixture
async def attacked(folder: Path) -> AsyncIterator[Attacked]:
    run = ObedientRun()
    with RunDirectory.create(folder) as directory:
        async with ControlServer(run, directory):
            yield Attacked(run, directory)


async def send_raw(path: Path, data: bytes) -> None:
    """Send bytes as they are, and wait until the other end closes."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        writer.write(data)
        await writer.drain()
        writer.write_eof()
        await reader.read()
    except ConnectionError:
        pass  # it closed first
    finally:
        writer.close()


@pytest.mark.parametrize("name", list(RAW))
async def test_bytes_that_are_no_request_end_their_connection(attacked: Attacked, name: str) -> None:
    """And nothing else."""
    async with asyncio.timeout(30), attacked.client() as client:
        await client.status()
        await send_raw(attacked.directory.control_socket_path, RAW[name])
        await client.status()
    assert attacked.run.asked == [("status",)] * 2


@pytest.mark.parametrize("command", CIRCUS, ids=lambda command: str(command["command"]))
async def test_commands_of_circus_do_nothing(
    attacked: Attacked, tmp_path: Path, command: dict[str, object]
) -> None:
    """Neither as bytes nor, by name, as verbs."""
    canary = tmp_path / "canary"
    text = json.dumps(command).replace("{canary}", str(canary)).encode()
    await send_raw(attacked.directory.control_socket_path, text)
    with pytest.raises(EndpointNotFoundError) as caught:
        await call(attacked, str(command["command"]), b"\x80")
    assert set(caught.value.known) == {"status", "wait_ready", "scale", "restart", "stop", "logs"}
    assert attacked.run.asked == []
    assert not canary.exists()


@pytest.mark.parametrize(
    "verb", ["", "run", "__init__", "__class__", "status.__globals__", "../status", "x" * 200]
)
async def test_unknown_verb_is_a_typed_error(attacked: Attacked, verb: str) -> None:
    """Attributes of the object behind are no verbs."""
    with pytest.raises(CallError):
        await call(attacked, verb, b"\x80")
    assert attacked.run.asked == []


@pytest.mark.parametrize(
    "arguments",
    [
        b"",
        b"\x90",
        b"\xc0",
        b"\x01",
        b"\x81\xa7service\x81\xa1a\x01",
        b"\xc1",
        b"\x80\x80",
        b"\x93" * 100_000,
    ],
)
async def test_wrong_arguments_are_a_typed_error(attacked: Attacked, arguments: bytes) -> None:
    """Of whatever shape."""
    with pytest.raises(CallError):
        await call(attacked, "restart", arguments)
    assert attacked.run.asked == []


async def call(attacked: Attacked, verb: str, arguments: bytes) -> object:
    """Call any name with any bytes, past the client's own checks."""
    channel = SlotChannel(CONTROL_SERVICE, run_id=attacked.directory.run_id)
    channel.set_members([Member(slot=0, path=str(attacked.directory.control_socket_path))])
    endpoint = attrs.evolve(define_service(ControlVerbs).endpoints["restart"], name=verb)
    try:
        async with asyncio.timeout(30):
            return await channel.call(endpoint, arguments, DEFAULT_OPTIONS)
    finally:
        await channel.aclose()


STRANGER = """
import os, socket, sys
os.setgid(65534)
os.setuid(65534)
client = socket.socket(socket.AF_UNIX)
client.settimeout(30)
try:
    client.connect(sys.argv[1])
    client.sendall(bytes(1))
    print("answered" if client.recv(1) else "closed")
except PermissionError:
    print("kept out")
except ConnectionError:
    print("closed")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("is_open", [False, True])
async def test_another_user_is_kept_out(attacked: Attacked, folder: Path, is_open: bool) -> None:
    """By the modes; and by who they are, where somebody has opened those."""
    path = attacked.directory.control_socket_path
    if is_open:
        for each, mode in ((folder, 0o755), (attacked.directory.path, 0o755), (path, 0o666)):
            each.chmod(mode)
    stranger = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STRANGER, str(path), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        out, _ = await stranger.communicate()
    assert out.decode().strip() == ("closed" if is_open else "kept out")
    assert attacked.run.asked == []
