"""Ending workers that hang."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from dynamo_core.supervision.aborting import abort_worker

WAIT_S = 20.0

STOPPED = """
import faulthandler, os, signal, threading
faulthandler.enable()
for _ in range(4):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
def freeze():
    os.kill(os.getpid(), signal.SIGSTOP)
freeze()
os.write(1, b"went on")
"""


def wait_stopped(pid: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
        assert time.monotonic() < deadline, "it does not stop"
        time.sleep(0.001)


def test_stopped_worker_does_not_go_on_before_it_ends() -> None:
    """Whichever thread is woken first: its last words show where it was."""
    for _ in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as worker:
            wait_stopped(worker.pid)
            abort_worker(worker.pid)
            said, stacks = worker.communicate(timeout=WAIT_S)
        assert not said
        assert "in freeze" in stacks
        assert worker.returncode == -signal.SIGABRT


def test_worker_that_has_ended_is_left_alone() -> None:
    """It waits to be reaped."""
    with subprocess.Popen([sys.executable, "-c", ""]) as worker:
        deadline = time.monotonic() + WAIT_S
        while Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
            assert time.monotonic() < deadline, "it does not end"
            time.sleep(0.001)
        abort_worker(worker.pid)
    assert worker.returncode == 0
