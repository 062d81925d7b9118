"""The guardian: nothing a supervisor started outlives it, and nothing else is touched."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dynamo_core import environment
from dynamo_core.control.run_directory import RunDirectory, sweep_dead_runs
from dynamo_core.supervision.guardian import Guardian, kill_owned
from dynamo_core.supervision.guardian_process import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="waits with pidfds")

SUPERVISOR = """
import json, os, subprocess, sys
from pathlib import Path
from dynamo_core.control.run_directory import RunDirectory
from dynamo_core.supervision.guardian import Guardian

WORKER = 'import signal, subprocess; c = subprocess.Popen(["sleep", "1000"]); print(c.pid, flush=True); signal.pause()'
run = RunDirectory.create(Path(sys.argv[1]))
(run.path / "w0-0.sock").write_text("")
(run.path / "logs").mkdir()
(run.path / "logs" / "x.log").write_text("")
guardian = Guardian(run.run_id, run.path)
guardian.start()
workers = []
for name in ("kept", "removed"):
    worker = subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE, text=True, start_new_session=True)
    guardian.register(worker.pid)
    workers.append((worker, int(worker.stdout.readline())))
guardian.unregister(workers[1][0].pid)
for number in range(20000):  # far more than the pipe holds at once
    guardian.register(2**30 + number)
print(json.dumps({"run": str(run.path), "guardian": guardian.pid, "kept": [workers[0][0].pid, workers[0][1]],
                  "removed": [workers[1][0].pid, workers[1][1]]}), flush=True)
order = sys.stdin.readline().strip()
if order == "clean":
    guardian.close()
    guardian.wait(10)
    print("closed", flush=True)
    sys.stdin.readline()
"""


class StandIn:
    """A supervisor of two workers, each with a child; the second worker is no longer registered."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        facts: dict[str, Any] = json.loads(self.line())
        self.directory = Path(facts["run"])
        self.guardian = Watched(facts["guardian"])
        self.kept = [Watched(pid) for pid in facts["kept"]]
        self.removed = [Watched(pid) for pid in facts["removed"]]

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def order(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)

    def clear(self) -> None:
        self.kill()
        for process in (*self.kept, *self.removed, self.guardian):
            process.kill()


class Watched:
    """A process that is not our child, followed by its descriptor so that its number cannot mislead."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def has_ended(self, timeout_s: float) -> bool:
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLIN)
        return bool(waiting.poll(timeout_s * 1000))

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
        os.close(self._descriptor)


@pytest.fixture
def supervisor(folder: Path) -> Iterator[StandIn]:
    stand_in = StandIn(folder)
    yield stand_in
    stand_in.clear()


@pytest.fixture
def guarded(folder: Path) -> Iterator[tuple[RunDirectory, Guardian]]:
    """A guardian of this very process."""
    run = RunDirectory.create(folder)
    guardian = Guardian(run.run_id, run.path)
    guardian.start()
    yield run, guardian
    guardian.close()
    run.remove()  # a guardian that lost its line waits for this
    guardian.wait(10)


def test_death_of_the_supervisor_kills_every_group(supervisor: StandIn) -> None:
    """Workers and their children are gone; a group that was taken back is not touched."""
    supervisor.kill()
    assert all(process.has_ended(10) for process in supervisor.kept)
    assert supervisor.guardian.has_ended(10)
    assert not any(process.has_ended(0) for process in supervisor.removed)


def test_death_of_the_supervisor_leaves_no_directory(supervisor: StandIn, folder: Path) -> None:
    """The dead run's directory is removed; a live run's beside it stays."""
    with RunDirectory.create(folder) as other:
        supervisor.kill()
        assert supervisor.guardian.has_ended(10)
        assert not supervisor.directory.exists()
        assert other.is_intact
        assert sweep_dead_runs(folder) == ()


def test_death_of_the_supervisor_kills_what_left_its_group(guarded: tuple[RunDirectory, Guardian]) -> None:
    """A daemon that a worker started is known by its environment; one of another run is not touched."""
    run, guardian = guarded
    owned = {"PATH": os.environ["PATH"], environment.WORKER_ID: f"{run.run_id}/Backend/0/1"}
    foreign = owned | {
        environment.WORKER_ID: f"{run.run_id}0/Backend/0/1",
        "X": f"{environment.WORKER_ID}={run.run_id}/",
    }
    with (
        subprocess.Popen(["sleep", "1000"], env=owned, start_new_session=True) as daemon,
        subprocess.Popen(["sleep", "1000"], env=foreign, start_new_session=True) as stranger,
    ):
        guardian._let_go()
        assert daemon.wait(10) == -signal.SIGKILL
        run.remove()
        guardian.wait(10)
        assert stranger.poll() is None
        stranger.kill()


def test_what_the_owned_have_started_is_killed_and_nothing_else() -> None:
    """An owner is a run's whole mark, or the beginning of it; a supervisor kills so while it lives."""
    base = {"PATH": os.environ["PATH"]}
    mine, foreign = uuid.uuid4().hex, uuid.uuid4().hex  # other tests run at the same time
    with (
        subprocess.Popen(
            ["sleep", "1000"], env=base | {environment.WORKER_ID: f"{mine}/Backend/0.1"}
        ) as ours,
        subprocess.Popen(
            ["sleep", "1000"], env=base | {environment.WORKER_ID: f"{mine}/Backend/0.12"}
        ) as other,
        subprocess.Popen(
            ["sleep", "1000"], env=base | {environment.WORKER_ID: f"{foreign}/Backend/0.1"}
        ) as theirs,
    ):
        assert kill_owned([f"{mine}/Backend/0.1\0"]) == 1
        assert ours.wait(10) == -signal.SIGKILL
        assert other.poll() is None
        assert kill_owned([f"{mine}/", f"{uuid.uuid4().hex}/"]) == 1
        assert other.wait(10) == -signal.SIGKILL
        assert theirs.poll() is None
        assert kill_owned([]) == 0
        theirs.kill()


def test_clean_end_kills_nothing(supervisor: StandIn) -> None:
    """After the last word the guardian is gone and workers are the supervisor's own affair."""
    supervisor.order("clean")
    assert supervisor.line() == "closed\n"
    assert supervisor.guardian.has_ended(10)
    supervisor.kill()
    assert not any(process.has_ended(0) for process in (*supervisor.kept, *supervisor.removed))
    assert supervisor.directory.exists()


def test_signals_for_the_supervisor_do_not_reach_the_guardian(supervisor: StandIn) -> None:
    """What ends a supervisor early must not end its guardian before it."""
    assert os.getsid(supervisor.guardian.pid) == supervisor.guardian.pid
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1):
        os.kill(supervisor.guardian.pid, number)
    supervisor.kill()
    assert all(process.has_ended(10) for process in supervisor.kept)


def test_stopped_supervisor_is_alive(supervisor: StandIn) -> None:
    """A supervisor that is only frozen keeps its workers."""
    supervisor.process.send_signal(signal.SIGSTOP)
    assert not any(process.has_ended(0) for process in (*supervisor.kept, supervisor.guardian))
    supervisor.process.send_signal(signal.SIGCONT)


def test_lost_life_line_of_a_live_supervisor_leaves_its_directory(
    guarded: tuple[RunDirectory, Guardian],
) -> None:
    """As long as the run is locked its directory is in use, whatever became of the pipe."""
    run, guardian = guarded
    assert guardian.pid is not None
    watched = Watched(guardian.pid)
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as worker:
        guardian.register(worker.pid)
        guardian._let_go()
        assert worker.wait(10) == -signal.SIGKILL
    assert run.is_intact
    assert not watched.has_ended(0)
    run.close()
    assert watched.has_ended(10)
    assert not run.path.exists()
    watched.kill()


def test_guardian_holds_nothing_of_its_supervisor(
    guarded: tuple[RunDirectory, Guardian], folder: Path
) -> None:
    """Not the lock, not a listening socket: only the life-line and /dev/null."""
    _, guardian = guarded
    guardian.close()
    guardian.wait(10)
    inheritable = os.open(folder, os.O_RDONLY)
    os.set_inheritable(inheritable, True)
    guardian.start()
    try:
        held = {path.name: str(path.readlink()) for path in Path(f"/proc/{guardian.pid}/fd").iterdir()}
        assert held.pop("0").startswith("pipe:")
        assert str(folder) not in held.values()
        assert not any(target.startswith(("socket:", "pipe:")) for target in held.values())
        assert Path(f"/proc/{guardian.pid}/environ").read_bytes() == b""
    finally:
        os.close(inheritable)


def test_dead_guardian_can_be_replaced(guarded: tuple[RunDirectory, Guardian]) -> None:
    """The new one is told of every group the old one knew."""
    _, guardian = guarded
    assert guardian.pid is not None
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as worker:
        guardian.register(worker.pid)
        os.kill(guardian.pid, signal.SIGKILL)
        guardian.wait(10)
        guardian.register(2**30)  # the pipe is broken: noted, not raised
        guardian.start()
        guardian._let_go()
        assert worker.wait(10) == -signal.SIGKILL


async def test_what_does_not_fit_into_the_pipe_is_sent_later(guarded: tuple[RunDirectory, Guardian]) -> None:
    """A guardian that is slow to read neither blocks the event loop nor misses a group."""
    _, guardian = guarded
    assert guardian.pid is not None
    os.kill(guardian.pid, signal.SIGSTOP)
    for number in range(20_000):
        guardian.register(2**30 + number)
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as worker:
        guardian.register(worker.pid)
        assert guardian._unsent
        os.kill(guardian.pid, signal.SIGCONT)
        async with asyncio.timeout(30):
            while guardian._unsent:
                await asyncio.sleep(0)
        guardian._let_go()
        assert worker.wait(10) == -signal.SIGKILL


def test_groups_that_no_worker_leads_are_refused(guarded: tuple[RunDirectory, Guardian]) -> None:
    """0 and 1 would mean the guardian's own group, and everything."""
    for group in (-5, 0, 1):
        with pytest.raises(ValueError, match="above 1"):
            guarded[1].register(group)


def test_registry_reads_records_however_they_are_cut() -> None:
    """Bytes may arrive in any pieces; what is no record changes nothing."""
    content = b"+20\n+30\n-20\n+1\n+0\n+-1\n++5\n+\n\nrubbish\n+99999\n+4"
    whole, cut = Registry(), Registry()
    whole.feed(content)
    for number in range(len(content)):
        cut.feed(content[number : number + 1])
    assert whole.groups == cut.groups == {30, 99999}
    assert not whole.has_ended_well
    whole.feed(b"0\n.\n")
    assert whole.groups == {30, 99999, 40}
    assert whole.has_ended_well
