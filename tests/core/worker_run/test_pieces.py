"""The pieces of a run of workers, one by one."""

from __future__ import annotations

import errno
import os
import resource
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dynamo_core.config import SupervisionConfig
from dynamo_core.control import RunDirectory
from dynamo_core.graph import collect
from dynamo_core.supervision.slot_listener import SlotListener
from dynamo_core.worker_run.backoff import LONGEST_DELAY_S, BackOff
from dynamo_core.worker_run.launcher import Launch, Launcher
from dynamo_core.worker_run.notices import NoticeSocket

from .engine_for_tests import Backend, bind

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


# --- launches ---


@pytest.fixture
def launch_one(folder: Path) -> Iterator[Callable[[], Launch]]:
    """Prepares a worker."""
    with RunDirectory.create(folder) as directory:
        graph = bind(collect(Backend), [])
        launcher = Launcher(graph, directory, os.environ)
        listener = SlotListener(directory.socket_path(0, 0))
        yield lambda: launcher.prepare(graph.entry, 0, 1, listener)
        listener.close()
        launcher.close()


def close(launch: Launch) -> None:
    """Close all that a launch has opened."""
    launch.end.close()
    launch.close_inherited()
    for descriptor in launch.pipes.values():
        os.close(descriptor)


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def open_descriptors() -> set[int]:
    """Those of this process, without the one that looking at them takes."""
    numbers = [int(path.name) for path in Path("/proc/self/fd").iterdir()]
    return {number for number in numbers if is_open(number)}


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")
def test_launch_that_cannot_be_prepared_leaves_nothing_open(launch_one: Callable[[], Launch]) -> None:
    """Whichever descriptor is the first one that cannot be had."""
    close(launch_one())  # whatever is imported when it is first needed has been imported now
    before = open_descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = [number for number in range(soft) if number not in before][:20]
    left_open, errors = {}, set()
    for count, limit in enumerate(free):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        try:
            close(launch_one())
            break
        except OSError as exc:
            errors.add(exc.errno)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        left_open[count] = open_descriptors() - before
    assert errors == {errno.EMFILE}
    assert len(left_open) >= 7  # a socket pair, the slot's socket, and two pipes
    assert not any(left_open.values()), left_open
    assert open_descriptors() == before
