"""Notifications: who sent is told by the kernel, and no message can hurt the supervisor."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from dynamo_circus.notify import (
    LARGEST_MESSAGE_BYTES,
    NotifySocket,
    parse,
    session_of,
    workers_of,
)
from dynamo_core.worker_kit.notification import notify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="SO_PASSCRED exists on Linux only")


class Inbox:
    """A notify socket, and what came in."""

    def __init__(self, path: Path) -> None:
        self.messages: asyncio.Queue[tuple[int, Mapping[str, str]]] = asyncio.Queue()
        self.socket = NotifySocket(path, lambda pid, values: self.messages.put_nowait((pid, values)))
        self.environ = {"NOTIFY_SOCKET": str(path)}

    async def next(self) -> tuple[int, Mapping[str, str]]:
        async with asyncio.timeout(10):
            return await self.messages.get()

    def sender(self) -> socket.socket:
        sending = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sending.connect(str(self.socket.path))
        return sending


@pytest_asyncio.fixture
async def inbox() -> AsyncIterator[Inbox]:
    folder = Path(tempfile.mkdtemp(prefix="dc-", dir="/tmp"))
    opened = Inbox(folder / "notify.sock")
    opened.socket.open()
    yield opened
    opened.socket.close()
    opened.socket.close()
    shutil.rmtree(folder)


async def test_ready_arrives_with_the_senders_pid(inbox: Inbox) -> None:
    """The kernel's word counts; MAINPID in the message does not."""
    assert notify({"READY": "1", "STATUS": "serving", "MAINPID": "1"}, environ=inbox.environ)
    assert await inbox.next() == (os.getpid(), {"READY": "1", "STATUS": "serving"})


async def test_any_program_can_notify(inbox: Inbox) -> None:
    """A worker in its own session, and a child of it, are told from strangers."""
    script = (
        "import os, socket, subprocess, sys\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "s.connect(os.environ['NOTIFY_SOCKET'])\n"
        "s.send(b'READY=1')\n"
        "if sys.argv[1] == 'parent':\n"
        "    subprocess.run([sys.executable, sys.argv[0], 'child'])\n"
        "else:\n"
        "    sys.stdin.read()\n"
    )
    path = inbox.socket.path.with_name("worker.py")
    path.write_text(script)
    worker = await asyncio.create_subprocess_exec(
        sys.executable, str(path), "parent", env=inbox.environ, stdin=subprocess.PIPE, start_new_session=True
    )
    first, second = (await inbox.next())[0], (await inbox.next())[0]
    assert first == worker.pid
    assert second != worker.pid
    assert worker.pid in workers_of(first)
    assert worker.pid in workers_of(second)
    assert worker.pid not in workers_of(os.getpid())
    assert worker.stdin is not None
    worker.stdin.close()
    await worker.wait()
    assert session_of(second) is None
    assert worker.pid not in workers_of(second)


async def test_socket_is_closed_to_others_and_removed(inbox: Inbox) -> None:
    """Its mode is 0600 and closing leaves nothing."""
    assert inbox.socket.path.stat().st_mode & 0o777 == 0o600
    inbox.socket.close()
    assert not inbox.socket.path.exists()
    assert not notify("READY=1", environ=inbox.environ)


async def test_removed_socket_is_noticed_and_can_be_bound_again(inbox: Inbox) -> None:
    """After a cleaner took it, workers are heard again; what lies in its place is left alone."""
    assert inbox.socket.is_reachable
    inbox.socket.path.unlink()
    assert not inbox.socket.is_reachable
    inbox.socket.path.write_text("keep")
    inbox.socket.close()
    assert inbox.socket.path.read_text() == "keep"
    inbox.socket.path.unlink()
    inbox.socket.open()
    assert inbox.socket.is_reachable
    assert notify("READY=1", environ=inbox.environ)
    assert (await inbox.next())[1] == {"READY": "1"}


async def test_descriptors_that_are_sent_along_are_closed(inbox: Inbox) -> None:
    """Nobody can fill the supervisor's table of descriptors."""
    with inbox.sender() as sending:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for count in (1, 253):
            socket.send_fds(sending, [b"READY=1"], [0] * count)
            assert (await inbox.next())[1] == {"READY": "1"}
        socket.send_fds(sending, [b"X" * (LARGEST_MESSAGE_BYTES + 1)], [0] * 253)
        sending.send(b"READY=1")
        await inbox.next()
        assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_messages_without_sense_are_counted_and_dropped(inbox: Inbox) -> None:
    """Empty, huge, binary, unknown: the next good one is heard."""
    hostile = [
        b"", b"\0", b"READY", b"=1", b"\xff\xfe=\x80", b"MAINPID=1", b"FDSTORE=1\nFDNAME=x", b"ready=1",
        b"READY=1\n" + b"x" * LARGEST_MESSAGE_BYTES, b"\n" * 4000, b"STATUS", b"ERRNO=" + b"9" * 4000,
    ]  # fmt: skip
    with inbox.sender() as sending:
        for message in hostile:
            sending.send(message)
            notify("READY=1", environ=inbox.environ)
            assert await inbox.next() == (os.getpid(), {"READY": "1"})
    assert inbox.socket.dropped == len(hostile)


async def test_error_in_the_receiver_is_survived(caplog: pytest.LogCaptureFixture, inbox: Inbox) -> None:
    """One message that cannot be handled does not make the supervisor deaf."""

    def refuse(pid: int, values: Mapping[str, str]) -> None:
        if values.get("STATUS") == "bad":
            raise RuntimeError("refused")
        inbox.messages.put_nowait((pid, values))

    inbox.socket._received = refuse
    notify("STATUS=bad", environ=inbox.environ)
    notify("STATUS=good", environ=inbox.environ)
    assert (await inbox.next())[1] == {"STATUS": "good"}
    assert "was not handled" in caplog.text


async def test_sender_does_not_wait_for_ever(inbox: Inbox) -> None:
    """With the supervisor's queue full, a sender on an event loop is told at once."""
    sent = 0
    while notify("WATCHDOG=1", wait_s=0, environ=inbox.environ):
        sent += 1
    for _ in range(sent):
        assert (await inbox.next())[1] == {"WATCHDOG": "1"}
    assert notify("READY=1", wait_s=0, environ=inbox.environ)


async def test_flood_leaves_the_loop_its_turn(inbox: Inbox) -> None:
    """A worker that sends without end does not keep the supervisor from its other work."""
    script = (
        "import os, socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "s.connect(os.environ['NOTIFY_SOCKET'])\nwhile True: s.send(b'STATUS=x')"
    )
    flood = await asyncio.create_subprocess_exec(sys.executable, "-c", script, env=inbox.environ)
    for _ in range(200):
        await inbox.next()
    flood.kill()
    await flood.wait()


def test_nothing_happens_without_a_supervisor() -> None:
    """The same program runs by hand."""
    for environ in (
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "relative"},
        {"NOTIFY_SOCKET": "/no/such/socket"},
    ):
        assert not notify("READY=1", environ=environ)
    assert not notify("READY=1", environ={"NOTIFY_SOCKET": "/" + "x" * 200})


def test_abstract_address_is_understood() -> None:
    """Other supervisors (systemd in a container) use them."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiving:
        receiving.bind("")  # the kernel chooses a free abstract name
        address = receiving.getsockname()
        assert notify("READY=1", environ={"NOTIFY_SOCKET": "@" + address[1:].decode()})
        assert receiving.recv(100) == b"READY=1"


def test_values_cannot_smuggle_lines() -> None:
    """A status text with a line break is refused by the sender."""
    for state in ({"STATUS": "x\nREADY=1"}, {"A=B": "1"}, {"A\nREADY": "1"}):
        with pytest.raises(ValueError, match="one line"):
            notify(state, environ={})


def test_status_is_fit_for_a_terminal() -> None:
    """Control characters are visible, and the text is of bounded length."""
    assert (
        parse(b"STATUS=\x1b[31mred\r\x07")["STATUS"]
        == "\N{REPLACEMENT CHARACTER}[31mred" + 2 * "\N{REPLACEMENT CHARACTER}"
    )
    assert len(parse(b"STATUS=" + b"x" * 4000)["STATUS"]) == 256
