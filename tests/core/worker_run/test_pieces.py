"""The pieces of a run of workers, one by one."""

from __future__ import annotations

import socket
from pathlib import Path

from dynamo_core.config import SupervisionConfig
from dynamo_core.worker_run.backoff import LONGEST_DELAY_S, BackOff
from dynamo_core.worker_run.notices import NoticeSocket

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
    assert back_off.failures == 0


def test_worker_that_was_ready_for_long_has_not_failed() -> None:
    """Its death is none of the failures in a row that make a slot degraded."""
    back_off = BackOff(SupervisionConfig(stable_time_s=1.0, max_failures=2))
    assert back_off.record_death(100.0, ready_at=90.0) == 0.0
    assert back_off.record_death(101.0, ready_at=None) == 0.0
    assert not back_off.is_past_limit
    assert back_off.record_death(102.0, ready_at=None) == LONGEST_DELAY_S
    assert back_off.is_past_limit


def test_slot_past_its_limit_waits_longest() -> None:
    """And says that it is past it."""
    back_off = BackOff(SupervisionConfig(max_failures=2))
    assert back_off.record_death(0.0, ready_at=None) == 0.0
    assert not back_off.is_past_limit
    assert back_off.record_death(0.1, ready_at=None) == LONGEST_DELAY_S
    assert back_off.is_past_limit


# --- notices ---


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
