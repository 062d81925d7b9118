"""Scaling and restarting a running service."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from dynamo_circus.gpu.leases import DevicePool, TooFewDevicesError
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


async def test_scale_up_beyond_the_devices_takes_nothing() -> None:
    """Slots that could be opened are closed again, and what they held can be had."""
    async with running_crew() as crew:
        crew.devices = DevicePool(["0", "1", "2"])
        watcher = crew.add("A", SLEEP)
        crew.devices.lease(("A", 0), 1)
        await crew.arbiter.start()
        with pytest.raises(TooFewDevicesError, match="A/3 asks for 1 GPU"):
            await scale(watcher, 5)
        assert [path.name for path in crew.folder.iterdir()] == ["A.0"]
        await scale(watcher, 3)
        assert [slot.is_ready for slot in watcher.slots] == [True] * 3


async def test_devices_are_given_back_once_their_worker_has_ended() -> None:
    """Nobody gets them while it may still use them."""
    async with running_crew() as crew:
        crew.devices = DevicePool(["0", "1"])
        watcher = crew.add("A", IGNORE_TERM, slots=2)
        for slot in range(2):
            crew.devices.lease(("A", slot), 1)
        await crew.arbiter.start()
        await until(lambda: crew.lines.count("A/1 | deaf") == 1, "it does not heed SIGTERM")
        leaving = crew.tasks.create_task(scale(watcher, 1))
        await until(lambda: len(watcher.slots) == 1, "the slot is taken away")
        with pytest.raises(TooFewDevicesError):
            crew.devices.lease(("B", 0), 1)
        watcher.hurry(0.0)
        await leaving
        assert crew.devices.lease(("B", 0), 1).devices == ("1",)


async def test_devices_wait_for_a_predecessor_that_is_still_leaving() -> None:
    """A restart was given up when the new worker had taken over, and the slot is taken away after that."""
    async with running_crew() as crew:
        crew.devices = DevicePool(["0"])
        watcher = crew.add("A", IGNORE_TERM)
        crew.devices.lease(("A", 0), 1)
        await crew.arbiter.start()
        await until(lambda: crew.lines.count("A/0 | deaf") == 1, "it does not heed SIGTERM")
        old = watcher.slots[0].process
        assert old is not None
        crew.scripts["A"] = SLEEP
        restarting = crew.tasks.create_task(restart(watcher))
        await until(lambda: old.told_at is not None, "its successor has taken over")
        restarting.cancel()
        leaving = crew.tasks.create_task(scale(watcher, 0))
        await until(lambda: len(watcher.processes) == 1, "the successor has ended")
        with pytest.raises(TooFewDevicesError):
            crew.devices.lease(("B", 0), 1)
        watcher.hurry(0.0)
        await leaving
        assert crew.devices.lease(("B", 0), 1).devices == ("0",)


async def test_slot_whose_device_is_taken_stays_given_up() -> None:
    """Who asks for it is told who holds what; other services are looked after as before."""
    async with running_crew() as crew:
        crew.devices = DevicePool(["0"])
        watcher, other = crew.add("A", SLEEP), crew.add("B", SLEEP)
        await crew.arbiter.start()
        slot = watcher.slots[0]
        assert slot.process is not None
        slot.is_given_up = True
        os.kill(slot.process.pid, signal.SIGKILL)
        await until(lambda: slot.process is None, "it has ended")
        crew.devices.lease(("B", 0), 1)
        for change in (restart(watcher), scale(watcher, 1)):
            with pytest.raises(TooFewDevicesError, match="A/0 asks for 1 GPU"):
                await change
        assert slot.is_given_up
        assert other.slots[0].process is not None
        os.kill(other.slots[0].process.pid, signal.SIGKILL)
        await until(lambda: crew.count("spawned", "B") == 2, "the other one's worker is replaced")


async def test_worker_is_killed_after_its_grace_whoever_waits_for_it() -> None:
    """Giving up on the command that takes it away changes nothing."""
    async with running_crew() as crew:
        watcher = crew.add("A", IGNORE_TERM, slots=2, stop_timeout_s=0.3)
        await crew.arbiter.start()
        await until(lambda: crew.lines.count("A/1 | deaf") == 1, "it does not heed SIGTERM")
        process = watcher.slots[1].process
        assert process is not None
        scaling = crew.tasks.create_task(scale(watcher, 1))
        await until(lambda: process.stopping, "it was told")
        scaling.cancel()
        await until(lambda: not is_alive(process.pid), "it is gone")


async def test_slots_come_back_only_when_their_workers_have_left() -> None:
    """Also after the command that took them away was given up."""
    async with running_crew() as crew:
        crew.devices = DevicePool(["0", "1"])
        watcher = crew.add("A", IGNORE_TERM, slots=2, stop_timeout_s=0.3)
        for slot in range(2):
            crew.devices.lease(("A", slot), 1)
        await crew.arbiter.start()
        await until(lambda: crew.lines.count("A/1 | deaf") == 1, "it does not heed SIGTERM")
        process = watcher.slots[1].process
        assert process is not None
        scaling = crew.tasks.create_task(scale(watcher, 1))
        await until(lambda: process.stopping, "it was told")
        scaling.cancel()
        await scale(watcher, 2)
        assert not is_alive(process.pid)
        assert crew.devices.holders()["1"] == [(("A", 1), 1.0)]


async def test_restart_that_is_given_up_leaves_no_successor() -> None:
    """The slot is looked after as before, and the next restart works."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP)
        await crew.arbiter.start()
        slot = watcher.slots[0]
        crew.ready_on_spawn = False
        restarting = crew.tasks.create_task(restart(watcher))
        await until(lambda: slot.incoming is not None, "the successor is spawned")
        restarting.cancel()
        restarting.cancel()
        await asyncio.wait({restarting})
        await until(lambda: slot.incoming is None, "it is gone")
        assert slot.is_ready
        crew.ready_on_spawn = True
        await restart(watcher)
        assert slot.is_ready


async def test_new_slot_that_fails_fails_the_scale_up_and_nothing_else() -> None:
    """It is told at once, whatever its neighbour does, and no policy is applied to what is only being tried."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP, max_failures=1, on_failure="stop-graph")
        await crew.arbiter.start()
        crew.scripts["A"] = (
            f"import os\nif os.environ['DYNAMO_WORKER_ID'].startswith('run/A/2'): os._exit(4)\n{SLEEP}"
        )
        crew.ready_on_spawn = False
        with pytest.raises(ServiceFailedError, match=r"A/2 failed: exited with status 4"):
            await scale(watcher, 3)
        assert [slot.is_ready for slot in watcher.slots] == [True]
        assert (crew.count("limit"), crew.count("restarting")) == (0, 0)


async def test_new_worker_that_dies_while_its_neighbour_starts_is_replaced() -> None:
    """It was ready once: its slot is looked after as any."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP)
        await crew.arbiter.start()
        crew.ready_on_spawn = False
        scaling = crew.tasks.create_task(scale(watcher, 3))
        await until(lambda: crew.count("spawned") == 3, "both are spawned")
        first, second = (slot.process for slot in watcher.slots[1:])
        assert first is not None
        assert second is not None
        watcher.notified(first, {"READY": "1"})
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: crew.count("spawned") == 4, "it is replaced")
        replacement = watcher.slots[1].process
        assert replacement is not None
        watcher.notified(replacement, {"READY": "1"})
        watcher.notified(second, {"READY": "1"})
        await scaling
        assert [slot.is_ready for slot in watcher.slots] == [True] * 3


async def test_worker_that_dies_while_its_successor_starts_is_no_failure_yet() -> None:
    """The successor decides: once it is ready, the slot is as whole as any."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP, max_failures=1, on_failure="isolate")
        await crew.arbiter.start()
        crew.ready_on_spawn = False
        slot = watcher.slots[0]
        old = slot.process
        assert old is not None
        restarting = crew.tasks.create_task(restart(watcher))
        await until(lambda: slot.incoming is not None, "the successor is spawned")
        os.kill(old.pid, signal.SIGKILL)
        await old.ended.wait()
        assert not slot.is_given_up
        assert slot.incoming is not None
        watcher.notified(slot.incoming, {"READY": "1"})
        await restarting
        assert (slot.is_ready, slot.takes_calls, crew.count("limit")) == (True, True, 0)


async def test_worker_that_dies_before_its_successor_fails_counts_then() -> None:
    """Both are gone, and the service's policy is applied."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP, max_failures=1, on_failure="isolate", stable_time_s=60)
        await crew.arbiter.start()
        crew.ready_on_spawn = False
        slot = watcher.slots[0]
        old = slot.process
        assert old is not None
        restarting = asyncio.ensure_future(restart(watcher))
        await until(lambda: slot.incoming is not None, "the successor is spawned")
        os.kill(old.pid, signal.SIGKILL)
        await old.ended.wait()
        assert slot.incoming is not None
        os.kill(slot.incoming.pid, signal.SIGKILL)
        with pytest.raises(ServiceFailedError):
            await restarting
        assert slot.is_given_up
        assert crew.count("limit") == 1


async def test_nothing_begins_again_while_the_run_is_being_stopped() -> None:
    """Whoever waits for a service to be stopped waits for something that comes."""
    async with running_crew() as crew:
        watcher = crew.add("A", SLEEP)
        await crew.arbiter.start()
        crew.is_stopping = True
        await watcher._stop()
        for change in (restart(watcher), scale(watcher, 1), scale(watcher, 2)):
            with pytest.raises(ServiceFailedError, match="is being stopped"):
                await change
        assert watcher.stopped.is_set()


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
