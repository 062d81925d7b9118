"""Scaling and restarting a running service."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from dynamo_circus.supervisor.changes import restart, scale
from dynamo_core.errors import ServiceFailedError

from .crew_for_tests import IGNORE_TERM, SLEEP, is_alive, running_crew, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="supervision is built on Linux")


async def test_scale_up_adds_slots_above_the_highest() -> None:
    """The workers that were there stay, the new ones are ready when scaling returns."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP)
        await crew.arbiter.start()
        first = watcher.slots[0].process
        await scale(watcher, 3)
        assert [slot.is_ready for slot in watcher.slots] == [True] * 3
        assert watcher.slots[0].process is first


async def test_scale_down_takes_the_highest_slots_away() -> None:
    """Callers are told before a worker is; the sockets of the slots are gone."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP, slots=3)
        await crew.arbiter.start()
        pids = [slot.process.pid for slot in watcher.slots if slot.process is not None]
        await scale(watcher, 1)
        assert [is_alive(pid) for pid in pids] == [True, False, False]
        kinds = [told[0] for told in crew.told]
        assert kinds.index("members") < kinds.index("ended")
        assert sorted(path.name for path in crew.folder.iterdir()) == ["A.0"]


async def test_failed_scale_up_leaves_the_service_as_it_was() -> None:
    """A new worker that cannot start is told, and its slot is taken away again."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP)
        await crew.arbiter.start()
        crew.scripts["A"] = "print('broken'); raise SystemExit(4)"
        crew.ready_on_spawn = False
        with pytest.raises(ServiceFailedError, match="exited with status 4") as caught:
            await scale(watcher, 2)
        assert caught.value.last_lines == ("broken",)
        assert [slot.is_ready for slot in watcher.slots] == [True]


async def test_restart_keeps_a_ready_worker_at_all_times() -> None:
    """Each old worker is told to stop only once its successor is ready, in the same slot."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP, slots=2)
        await crew.arbiter.start()
        old = [slot.process.pid for slot in watcher.slots if slot.process is not None]
        await restart(watcher)
        new = [slot.process.pid for slot in watcher.slots if slot.process is not None]
        assert not set(old) & set(new)
        assert [slot.generation for slot in watcher.slots] == [2, 2]
        assert not any(map(is_alive, old))
        order = [told[0] for told in crew.told if told[0] in {"spawned", "ended"}]
        assert order == ["spawned", "spawned", "spawned", "ended", "spawned", "ended"]


async def test_restart_with_a_broken_version_keeps_the_old_workers() -> None:
    """A successor that cannot start is told, and the old worker serves on."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP)
        await crew.arbiter.start()
        old = watcher.slots[0].process
        crew.scripts["A"] = "raise SystemExit(5)"
        crew.ready_on_spawn = False
        with pytest.raises(ServiceFailedError, match="exited with status 5"):
            await restart(watcher)
        assert watcher.slots[0].process is old
        assert watcher.slots[0].is_ready


async def test_old_worker_that_dies_during_a_restart_is_not_replaced_twice() -> None:
    """The successor that is already on its way takes the slot, and nothing else is spawned."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP)
        await crew.arbiter.start()
        crew.ready_on_spawn = False
        slot = watcher.slots[0]
        old = slot.process
        assert old is not None
        restarting = crew.tasks.create_task(restart(watcher))
        await until(lambda: slot.incoming is not None, "the successor is spawned")
        os.kill(old.pid, signal.SIGKILL)
        await old.ended.wait()
        crew.wake()
        assert slot.incoming is not None
        watcher.notified(slot.incoming, {"READY": "1"})
        await restarting
        assert slot.is_ready
        assert crew.count("spawned") == 2


async def test_restart_waits_for_a_worker_that_may_not_begin_yet() -> None:
    """A slot that has never been ready waits its turn; restarting returns when its worker is there, not before."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP)
        crew.may_begin = False
        await crew.arbiter.start()
        assert watcher.slots[0].process is None
        restarting = crew.tasks.create_task(restart(watcher))
        await until(watcher.changes.locked, "it has begun")
        crew.wake()
        await asyncio.sleep(0)
        assert not restarting.done()
        crew.may_begin = True
        crew.wake()
        await restarting
        assert watcher.slots[0].is_ready


async def test_successor_that_is_ended_is_not_said_to_be_slow(caplog: pytest.LogCaptureFixture) -> None:
    """It is killed on purpose, and what is told of it is why the restart failed."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP, startup_timeout_s=0.2)
        await crew.arbiter.start()
        crew.scripts["A"] = IGNORE_TERM
        crew.ready_on_spawn = False
        with pytest.raises(ServiceFailedError, match=r"was not ready within 0\.2 s"):
            await restart(watcher)
        assert watcher.slots[0].is_ready
        assert not caplog.messages
