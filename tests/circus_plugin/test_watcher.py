"""Watchers and the arbiter over real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .crew_for_tests import IGNORE_TERM, SLEEP, is_alive, running_crew, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="supervision is built on Linux")


async def test_slots_are_filled_and_emptied() -> None:
    """Every slot gets one worker, and stopping leaves none."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP, slots=3)
        await crew.arbiter.start()
        pids = [slot.process.pid for slot in watcher.slots if slot.process is not None]
        assert len(pids) == 3
        await watcher._stop()
        assert watcher.stopped.is_set()
        assert not any(map(is_alive, pids))


async def test_killed_worker_is_replaced_in_its_slot() -> None:
    """The successor takes the same slot and socket; the other slot's worker is untouched."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP, slots=2)
        await crew.arbiter.start()
        first, other = (slot.process.pid for slot in watcher.slots if slot.process is not None)
        os.kill(first, signal.SIGKILL)
        await until(lambda: crew.count("spawned") == 3, "a replacement is spawned")
        assert watcher.slots[0].generation == 2
        assert watcher.slots[1].process is not None
        assert watcher.slots[1].process.pid == other
        assert ("ended", "A", 0, -signal.SIGKILL) in crew.told


async def test_worker_inherits_its_own_socket_only() -> None:
    """No descriptor of the supervisor or of another slot reaches a worker."""
    script = (
        "import os, stat\n"
        "fds = [fd for fd in range(256) if os.path.exists(f'/proc/self/fd/{fd}')]\n"
        "print('sockets', sum(stat.S_ISSOCK(os.fstat(fd).st_mode) for fd in fds), 'others', len(fds) - 4, flush=True)\n"
        + SLEEP
    )
    async with running_crew() as crew:
        crew.add("A", script, slots=2)
        await crew.arbiter.start()
        await until(lambda: len(crew.lines) == 2, "both workers wrote")
        assert sorted(crew.lines) == ["A/0 | sockets 1 others 0", "A/1 | sockets 1 others 0"]


async def test_everybody_who_is_killed_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """Once, whether before or after the end of its grace."""
    async with running_crew() as crew:
        watcher = crew.add("A", IGNORE_TERM, slots=2, stop_timeout_s=20)
        await crew.arbiter.start()
        await until(lambda: len(crew.lines) == 2, "they do not heed SIGTERM")
        stopping = crew.tasks.create_task(watcher._stop())
        await until(lambda: all(each.told_at for each in watcher.processes.values()), "they were told")
        watcher.kill_all()
        await stopping
        watcher.kill_all()
    assert sorted(caplog.messages) == ["worker A/0 was killed", "worker A/1 was killed"]


async def test_worker_that_stops_of_its_own_accord_gets_no_more_calls() -> None:
    """Callers are told as soon as it says so; once it has ended, they wait for the next one."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP)
        await crew.arbiter.start()
        slot = watcher.slots[0]
        process = slot.process
        assert process is not None
        told = crew.count("members")
        watcher.notified(process, {"STOPPING": "1"})
        assert crew.count("members") == told + 1
        assert (slot.takes_calls, slot.is_ready, slot.state) == (False, False, "stopping")
        crew.ready_on_spawn = False
        os.kill(process.pid, signal.SIGKILL)
        await until(lambda: slot.process not in {None, process}, "it is replaced")
        assert slot.takes_calls


async def test_trouble_with_one_service_does_not_keep_others_waiting(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of another one is replaced all the same, and the trouble is told."""
    async with running_crew() as crew:
        first, second = crew.add("A", SLEEP), crew.add("B", SLEEP)
        await crew.arbiter.start()

        def fail() -> None:
            raise RuntimeError("a slip")

        monkeypatch.setattr(first, "manage", fail)
        assert second.slots[0].process is not None
        os.kill(second.slots[0].process.pid, signal.SIGKILL)
        await until(lambda: crew.count("spawned", "B") == 2, "it is replaced")
    assert "A cannot be looked after" in caplog.text
    assert "a slip" in caplog.text


async def test_crash_loop_backs_off_and_reaches_its_limit() -> None:
    """Waits grow, the limit is told once it is reached, and the sibling is untouched."""
    async with running_crew() as crew:
        crew.add("Crashing", "raise SystemExit(7)", max_failures=3, on_failure="isolate")
        sibling = crew.add("Sibling", SLEEP)
        await crew.arbiter.start()
        await until(lambda: crew.count("limit"), "the limit is reached")
        assert crew.count("spawned", "Crashing") == 3
        waits = [told[3] for told in crew.told if told[0] == "restarting"]
        assert waits == [0.0, pytest.approx(0.1, rel=0.11)]
        assert crew.count("spawned", "Sibling") == 1
        assert sibling.is_ready


async def test_recovery_is_told_after_the_stable_time() -> None:
    """With the default policy a slot past its limit keeps trying, and is whole again once stable."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP, max_failures=1, stable_time_s=0.05)
        crew.ready_on_spawn = False
        await crew.arbiter.start()
        slot = watcher.slots[0]
        assert slot.process is not None
        os.kill(slot.process.pid, signal.SIGKILL)
        await until(lambda: crew.count("limit"), "the limit is reached")
        assert not slot.is_given_up
        slot.next_spawn_at = 0.0
        crew.ready_on_spawn = True
        crew.wake()
        await until(lambda: crew.count("recovered"), "the slot recovers")
        assert slot.limit is None


async def test_failure_before_ready_fails_the_start() -> None:
    """While the run starts, a worker that ends before it was ready is not replaced; its lines are kept."""
    async with running_crew() as crew:
        watcher = crew.add("A", "import sys; print('why', file=sys.stderr); sys.exit(3)")
        crew.is_starting, crew.ready_on_spawn = True, False
        await crew.arbiter.start()
        await until(lambda: crew.count("start_failed"), "the failure is told")
        assert ("start_failed", "A", 0, "exited with status 3 before it was ready") in crew.told
        assert watcher.slots[0].last_lines == ("why",)
        assert crew.count("spawned") == 1


async def test_program_that_cannot_be_executed_fails_the_start() -> None:
    """A missing program is told like a failed start, and leaves no process."""
    async with running_crew() as crew:
        crew.add("A", SLEEP)
        crew.is_starting = True
        original = crew.prepare

        def prepare(service: object, slot: object) -> object:
            launch = original(service, slot)  # type: ignore[arg-type]
            return type(launch)(argv=("/nowhere/program",), env={}, cwd=launch.cwd, inherited=())

        crew.prepare = prepare  # type: ignore[method-assign, assignment]
        await crew.arbiter.start()
        assert crew.count("start_failed") == 1
        assert "cannot be executed" in str(crew.told[0][3])


async def test_slow_start_is_ended_at_its_limit() -> None:
    """A worker that never becomes ready is killed, and the cause says so."""
    async with running_crew() as crew:
        crew.add("A", SLEEP, startup_timeout_s=0.05)
        crew.is_starting, crew.ready_on_spawn = True, False
        await crew.arbiter.start()
        await until(lambda: crew.count("start_failed"), "the failure is told")
        assert "was not ready within 0.05 s" in str(crew.told[-1][3])


async def test_slow_start_is_ended_while_others_wait_for_their_turn() -> None:
    """A slot that may not be filled yet keeps nobody from looking at those after it, or they would wait for ever."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP, slots=2, startup_timeout_s=0.2)
        crew.ready_on_spawn = False
        crew.may_spawn = lambda: crew.count("spawned") < 2  # type: ignore[method-assign]
        await crew.arbiter.start()
        first = watcher.slots[0].process
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: ("ended", "A", 1, -signal.SIGKILL) in crew.told, "the slow one is ended")
        assert watcher.slots[1].last_end == "was not ready within 0.2 s"


async def test_replacement_does_not_wait_for_its_turn() -> None:
    """Turns are for workers that are added; those of another service may hang in theirs."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP)
        await crew.arbiter.start()
        crew.may_spawn = lambda: False  # type: ignore[method-assign]
        first = watcher.slots[0].process
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: crew.count("spawned") == 2, "a replacement is spawned")


async def test_deaf_worker_is_killed_after_its_grace() -> None:
    """A worker that ignores SIGTERM is gone after the grace."""
    async with running_crew() as crew:
        watcher = crew.add("A", IGNORE_TERM, stop_timeout_s=0.2)
        await crew.arbiter.start()
        await until(lambda: crew.lines, "the worker is deaf")
        await watcher._stop()
        assert ("ended", "A", 0, -signal.SIGKILL) in crew.told


async def test_hurry_shortens_a_running_grace() -> None:
    """A second request to stop does not wait for the whole grace."""
    async with running_crew() as crew:
        watcher = crew.add("A", IGNORE_TERM, stop_timeout_s=1000.0)
        await crew.arbiter.start()
        await until(lambda: crew.lines, "the worker is deaf")
        stopping = crew.tasks.create_task(watcher._stop())
        await until(
            lambda: watcher.slots[0].process and watcher.slots[0].process.stopping, "it is being stopped"
        )
        watcher.hurry(0.05)
        await stopping
        assert crew.count("ended") == 1


async def test_slow_stop_of_one_service_does_not_delay_another() -> None:
    """While one service stops slowly, a dead worker of another is replaced."""
    async with running_crew() as crew:
        slow = crew.add("Slow", IGNORE_TERM, stop_timeout_s=1000.0)
        other = crew.add("Other", SLEEP)
        await crew.arbiter.start()
        await until(lambda: crew.lines, "the worker is deaf")
        stopping = crew.tasks.create_task(slow._stop())
        assert other.slots[0].process is not None
        os.kill(other.slots[0].process.pid, signal.SIGKILL)
        await until(lambda: crew.count("spawned", "Other") == 2, "the dead worker is replaced")
        assert not stopping.done()
        slow.hurry(0.0)
        await stopping


async def test_children_in_the_group_die_with_their_worker(tmp_path: Path) -> None:
    """kill -9 of a worker takes its plain child along."""
    note = tmp_path / "child"
    script = (
        "import subprocess, sys, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        f"pathlib.Path({str(note)!r}).write_text(str(child.pid)); print('up', flush=True)\n" + SLEEP
    )
    async with running_crew() as crew:
        watcher = crew.add("A", script)
        await crew.arbiter.start()
        await until(lambda: crew.lines, "the child runs")
        child = int(note.read_text())
        assert watcher.slots[0].process is not None
        os.kill(watcher.slots[0].process.pid, signal.SIGKILL)
        await until(lambda: not is_alive(child), "the child is gone")


async def test_adopted_orphan_is_reaped_and_counted() -> None:
    """A daemonised grandchild that ends leaves no zombie."""
    script = (
        "import os\nif os.fork() == 0:\n    os.setsid()\n    os.fork()\n    os._exit(0)\nos.wait()\nprint('up', flush=True)\n"
        + SLEEP
    )
    async with running_crew() as crew:
        crew.add("A", script)
        await crew.arbiter.start()
        await until(lambda: crew.reaper.orphans_reaped >= 1, "the orphan is reaped")


async def test_a_librarys_own_child_is_left_to_it() -> None:
    """A child that other code of this process started keeps its exit status for that code."""
    async with running_crew() as crew:
        crew.add("A", SLEEP)
        await crew.arbiter.start()
        child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
        await until(lambda: crew.reaper.has_ended(child.pid), "the child has ended")
        for _ in range(3):
            crew.reaper.scan()
        assert child.wait() == 7


async def test_stragglers_of_a_dead_worker_can_be_told_and_killed() -> None:
    """A child that left the session is adopted, known by its owner, and killed."""
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'], start_new_session=True)\n"
        "print(child.pid, flush=True)\n" + SLEEP
    )
    async with running_crew() as crew:
        watcher = crew.add("A", script)
        await crew.arbiter.start()
        await until(lambda: crew.lines, "the child runs")
        child = int(crew.lines[0].rsplit(" ", 1)[1])
        await watcher._stop()
        assert is_alive(child)
        seen: list[str | None] = []
        crew.reaper.kill_strangers(lambda owner, session: bool(seen.append(owner)))
        assert seen == ["run/A/0.1"]
        await until(lambda: not is_alive(child), "the child is gone")
