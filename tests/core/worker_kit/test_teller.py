"""What a worker tells is told, however many others tell at the same time."""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator

import pytest

from dynamo_core.worker_kit.notification import notify
from dynamo_core.worker_kit.teller import Teller

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="notifications are datagrams on unix sockets")


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with (
        tempfile.TemporaryDirectory(prefix="dc-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made,
    ):
        made.bind(f"{folder}/notify")
        made.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", f"{folder}/notify")
        yield made


def fill(supervisor: socket.socket) -> int:
    """Leave no room in the supervisor's queue; how many messages are in it."""
    count = 0
    while notify("STATUS=full", wait_s=0):
        count += 1
    return count


def take(supervisor: socket.socket) -> list[str]:
    found: list[str] = []
    while True:
        try:
            found.append(supervisor.recv(4096).decode())
        except BlockingIOError:
            return found


async def test_state_is_told_at_once_where_there_is_room(supervisor: socket.socket) -> None:
    """As one message."""
    Teller()({"READY": "1", "STATUS": "serving"})
    assert take(supervisor) == ["READY=1\nSTATUS=serving"]


async def test_latest_state_is_told_once_there_is_room(supervisor: socket.socket) -> None:
    """What was to be told before is not lost, unless something newer says otherwise."""
    count = fill(supervisor)
    tell = Teller()
    tell({"STATUS": "starting"})
    tell({"READY": "0"})
    tell({"READY": "1"})
    assert take(supervisor) == ["STATUS=full"] * count
    told: list[str] = []
    async with asyncio.timeout(30):
        while not told:
            await asyncio.sleep(0.01)
            told = take(supervisor)
    assert told == ["STATUS=starting\nREADY=1"]
    assert not tell._untold


async def test_thread_without_a_loop_may_tell_too(supervisor: socket.socket) -> None:
    """What it cannot hand over goes with what is told next."""
    count = fill(supervisor)
    tell = Teller()
    thread = threading.Thread(target=tell, args=({"WATCHDOG": "1"},))
    thread.start()
    await asyncio.to_thread(thread.join)
    assert len(take(supervisor)) == count
    tell({"STATUS": "serving"})
    assert take(supervisor) == ["WATCHDOG=1\nSTATUS=serving"]


async def test_nothing_is_told_without_a_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is tried again."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    tell = Teller()
    tell({"READY": "1"})
    assert not tell._untold
