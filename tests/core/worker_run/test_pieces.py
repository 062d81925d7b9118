"""The pieces of a run of workers, one by one."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from dynamo_core.config import SupervisionConfig
from dynamo_core.worker_run.backoff import LONGEST_DELAY_S, BackOff
from dynamo_core.worker_run.lifeline import Lifeline, NoticeSocket

# --- back-off ---


def test_first_replacement_comes_at_once_and_later_ones_later() -> None:
    """Twice as late each time, up to a limit."""
    back_off = BackOff(SupervisionConfig(max_failures=100))
    delays = [back_off.record_death(float(number), ready_at=None) for number in range(12)]
    assert delays[:5] == [0.0, 0.1, 0.2, 0.4, 0.8]
    assert max(delays) == delays[-1] == LONGEST_DELAY_S


def test_worker_that_was_ready_for_long_begins_anew() -> None:
    """What happened before counts no more."""
    back_off = BackOff(SupervisionConfig(stable_time_s=1.0))
    for number in range(4):
        back_off.record_death(float(number), ready_at=float(number) - 0.5)
    assert back_off.failures == 4
    assert back_off.record_death(100.0, ready_at=90.0) == 0.0
    assert back_off.failures == 1


def test_slot_past_its_limit_waits_longest() -> None:
    """And says that it is past it."""
    back_off = BackOff(SupervisionConfig(max_failures=2))
    assert back_off.record_death(0.0, ready_at=None) == 0.0
    assert not back_off.is_past_limit
    assert back_off.record_death(0.1, ready_at=None) == LONGEST_DELAY_S
    assert back_off.is_past_limit


# --- lifeline and notices ---


async def test_lifeline_sends_more_than_a_socket_holds() -> None:
    """Without ever waiting, and in order."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    line = Lifeline(ours)
    data = os.urandom(4 * 1024 * 1024)
    line.send(data[:100])
    line.send(data[100:])
    received = b""
    loop = asyncio.get_running_loop()
    while len(received) < len(data):
        received += await loop.sock_recv(theirs, 65536)
    assert received == data
    line.close()
    line.close()
    assert await loop.sock_recv(theirs, 1) == b""
    theirs.close()
    line.send(b"nobody is there")


async def test_lifeline_to_a_worker_that_has_gone_is_no_error() -> None:
    """Its process tells of that."""
    ours, theirs = socket.socketpair()
    line = Lifeline(ours)
    theirs.close()
    line.send(b"hello")
    line.close()


async def test_notices_are_heard_and_the_socket_is_private(folder: Path) -> None:
    """What was told last is taken in even at the end."""
    told: list[dict[str, str]] = []
    path = folder / "n.sock"
    notices = NoticeSocket(path, lambda fields: told.append(dict(fields)))
    assert path.stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as worker:
        worker.connect(str(path))
        worker.send(b"READY=1\nSTATUS=serving=x")
        worker.send(b"nonsense")
    notices.close()
    notices.close()
    assert told == [{"READY": "1", "STATUS": "serving=x"}, {"nonsense": ""}]
    assert not path.exists()
