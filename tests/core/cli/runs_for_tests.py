"""Runs as their supervisors leave them on the disk."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dynamo_core.control import RunDirectory, RunState, ServiceState, WorkerState, write_state

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "http://127.0.0.1:8000"


def worker(slot: int = 0, state: str = "ready", path: str | None = None) -> WorkerState:
    return WorkerState(slot=slot, pid=1000 + slot, state=state, path=path, generation=1)


def make_state(run: RunDirectory, *services: ServiceState, state: str = "ready") -> RunState:
    """The state of a run whose provider nobody has."""
    return RunState(
        run_id=run.run_id,
        provider="gone",
        graph="Frontend",
        target="app:Frontend",
        supervisor_pid=1,
        supervisor_start_ticks=1,
        started_at="2026-11-23T10:00:00+00:00",
        state=state,
        services=services,
    )


@contextlib.contextmanager
def live_run(folder: Path, *services: ServiceState, state: str = "ready") -> Iterator[RunDirectory]:
    """A live run without a control socket."""
    with RunDirectory.create(folder) as run:
        write_state(run.fileno(), make_state(run, *services, state=state))
        yield run


SUPERVISOR = """
import os, signal, socket, sys
from pathlib import Path
from dynamo_core.control import RunDirectory, RunState, start_ticks, write_state

if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
with RunDirectory.create(Path(sys.argv[1])) as run:
    state = RunState(
        run_id=run.run_id, provider="gone", graph="Frontend", target="app:Frontend", state="ready",
        supervisor_pid=os.getpid(), supervisor_start_ticks=start_ticks(os.getpid()), started_at="2026-11-23",
    )
    write_state(run.fileno(), state)
    if sys.argv[2] == "mute":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(run.control_socket_path))
        listener.listen()
    print(run.run_id, flush=True)
    if sys.argv[2] == "stubborn":
        sys.stdin.read()
    else:
        signal.sigwait([signal.SIGTERM])
"""


@contextlib.contextmanager
def supervisor(folder: Path, manner: str = "obedient") -> Iterator[subprocess.Popen[str]]:
    """A process that has a run; SIGTERM ends it.

    Args:
        folder: Where its run is.
        manner: ``stubborn`` ignores SIGTERM; ``mute`` has a control socket and never answers on it; the others
            have none.
    """
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(folder), manner],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()
