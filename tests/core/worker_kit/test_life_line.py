"""The built-in worker and its supervisor's end, whatever the worker is doing."""

from __future__ import annotations

import os
import select
import signal
import sys

import pytest

from dynamo_core.transport import encode_membership
from dynamo_core.worker_kit.life_line import EXIT_LOST_SUPERVISOR

from .workers_for_tests import IMPORTING, SERVICE, SLEEPS, SPINS, worker_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems tell the event loop only")

PATIENCE_S = 20.0


@pytest.mark.parametrize("is_shut", [False, True], ids=["open", "shut"])
@pytest.mark.parametrize("blocks", [SPINS, SLEEPS], ids=["spins", "sleeps"])
def test_worker_that_imports_ends_with_its_supervisor(blocks: str, is_shut: bool) -> None:
    """No event loop runs yet that could hear of it."""
    with worker_of(IMPORTING.format(blocks=blocks), is_shut=is_shut) as worker:
        assert worker.line() == "imports"
        worker.channel.close()
        assert worker.process.wait(PATIENCE_S) == -signal.SIGKILL


@pytest.mark.parametrize("blocks", [SPINS, SLEEPS], ids=["spins", "sleeps"])
def test_worker_that_blocks_its_loop_ends_with_its_supervisor(blocks: str) -> None:
    """The event loop does not come to hear of it."""
    with worker_of(SERVICE.format(start=blocks)) as worker:
        assert worker.line() == "started"
        worker.channel.close()
        assert worker.process.wait(PATIENCE_S) == -signal.SIGKILL


def test_what_a_worker_has_not_read_does_not_keep_it() -> None:
    """A supervisor may have said something last."""
    with worker_of(IMPORTING.format(blocks=SLEEPS)) as worker:
        assert worker.line() == "imports"
        worker.channel.sendall(encode_membership("Other", ()))
        worker.channel.close()
        assert worker.process.wait(PATIENCE_S) == -signal.SIGKILL


def test_what_a_worker_has_started_ends_with_it() -> None:
    """As long as it has not left its group."""
    child = "import subprocess\nprint(subprocess.Popen(['sleep', '1000']).pid, flush=True)\n"
    with worker_of(child + IMPORTING.format(blocks=SLEEPS)) as worker:
        descriptor = os.pidfd_open(int(worker.line()))
        try:
            worker.channel.close()
            waiting = select.poll()
            waiting.register(descriptor, select.POLLIN)
            has_ended = bool(waiting.poll(PATIENCE_S * 1000))
            if not has_ended:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            assert has_ended
        finally:
            os.close(descriptor)


def test_worker_in_somebody_elses_group_ends_alone() -> None:
    """The group is not its own to kill."""
    with worker_of(IMPORTING.format(blocks=SLEEPS), leads_group=False) as worker:
        assert worker.line() == "imports"
        worker.channel.close()
        assert worker.process.wait(PATIENCE_S) == EXIT_LOST_SUPERVISOR


@pytest.mark.parametrize("is_shut", [False, True], ids=["open", "shut"])
def test_worker_that_its_supervisor_speaks_to_goes_on_and_ends_well(is_shut: bool) -> None:
    """Neither what it is told nor the closing of its own end is taken for the supervisor's end."""
    source = "import atexit\natexit.register(lambda: print('last word', flush=True))\n"
    source += "print('imports', flush=True)\ninput()\n" + SERVICE.format(start="pass")
    with worker_of(source, is_shut=is_shut) as worker:
        assert worker.line() == "imports"
        for _ in range(3):
            worker.channel.sendall(encode_membership("Other", ()))
        worker.go_on()
        assert worker.line() == "started"
        worker.process.send_signal(signal.SIGTERM)
        assert worker.line() == "last word"
        assert worker.process.wait(PATIENCE_S) == 0


def test_children_of_a_worker_do_not_hold_its_channel() -> None:
    """One that lives on would be heard as the worker."""
    source = "import subprocess\nsubprocess.run(['ls', '-lL', '--inode', '/proc/self/fd'], close_fds=False)\n"
    with worker_of(source + IMPORTING.format(blocks=SLEEPS)) as worker:
        held = list(iter(worker.line, "imports"))
        assert len(held) > 3  # the standard ones are there
        assert not any(line.startswith(f"{worker.inode} ") for line in held)
