"""Changes of a running service on request: more or fewer workers, and new ones in the place of old ones.

Requests for one service wait for each other; those for different services do not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from dynamo_core.errors import ServiceFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dynamo_circus.supervisor.process import Process
    from dynamo_circus.supervisor.slots import Slot
    from dynamo_circus.supervisor.watcher import Watcher

logger = logging.getLogger(__name__)


async def scale(watcher: Watcher, workers: int) -> None:
    """Give a service that many workers: new slots above the highest, or the highest ones taken away.

    Slots that were given up or stopped are tried again.
    Returns when the new workers are ready, or those that were taken away have ended.

    Raises:
        ServiceFailedError: A new worker did not start; the service has as many slots as before.
        TooFewDevicesError: There are not enough devices; the service is as it was.
    """
    async with watcher.changes:
        if workers < len(watcher.slots):
            await _shrink(watcher, workers)
        await _bring_back(watcher)
        if workers > len(watcher.slots):
            await _grow(watcher, workers)


async def _grow(watcher: Watcher, workers: int) -> None:
    before = len(watcher.slots)
    if watcher.leaving:
        await asyncio.wait(watcher.leaving)  # the devices of the slots that come back may still be in use
    added = _open_slots(watcher, range(before, workers))
    watcher.slots += added
    watcher.numprocesses = len(watcher.slots)
    try:
        await _fill(watcher, added)
    except BaseException:
        await asyncio.shield(_shrink(watcher, before))
        raise
    for slot in added:
        slot.is_on_trial = False


def _open_slots(watcher: Watcher, numbers: Iterable[int]) -> list[Slot]:
    """Empty slots with their sockets and devices: all of them, or none."""
    crew, service = watcher.crew, watcher.service
    opened = []
    with contextlib.ExitStack() as undo:
        for number in numbers:
            crew.take_devices(service, number)
            undo.callback(crew.give_back_devices, service, number)
            try:
                found = crew.open_slot(service, number)
            except OSError as error:
                cause = f"gets no more slots: {error.strerror or error}"
                raise ServiceFailedError(watcher.name, cause, slot=number) from error
            undo.callback(crew.close_slot, found)
            slot = watcher.make_slot(found)
            slot.is_on_trial = True
            opened.append(slot)
        undo.pop_all()
    return opened


async def _shrink(watcher: Watcher, workers: int) -> None:
    removed = watcher.slots[workers:]
    del watcher.slots[workers:]
    watcher.numprocesses = len(watcher.slots)
    watcher.crew.members_changed(watcher)  # callers go elsewhere before the first worker is told to stop
    for slot in removed:
        slot.is_given_up = True
        watcher.crew.close_slot(slot.socket)
    leaving = asyncio.ensure_future(_see_off(watcher, removed))
    watcher.leaving.add(leaving)
    leaving.add_done_callback(watcher.leaving.discard)
    await asyncio.shield(leaving)  # whoever asked may go: what has begun is seen through


async def _see_off(watcher: Watcher, removed: Sequence[Slot]) -> None:
    places = {id(slot) for slot in removed}  # also those whose successor has taken their place already
    workers = [process for process in watcher.processes.values() if id(process.place) in places]
    # What was only being added, and is not ready, has nothing to finish.
    graces = [0.0 if each.place.is_on_trial and not each.is_ready else None for each in workers]
    await asyncio.gather(
        *(
            watcher.kill_process(process, graceful_timeout=grace_s)
            for process, grace_s in zip(workers, graces, strict=True)
        )
    )
    for slot in removed:
        watcher.crew.give_back_devices(watcher.service, slot.index)


async def restart(watcher: Watcher) -> None:
    """Replace a service's workers one after another: the new one is ready before the old one is told to stop.

    Slots that were given up or stopped are tried again.

    Raises:
        ServiceFailedError: A new worker did not start; the old one goes on.
        TooFewDevicesError: A slot that was given up cannot have its devices back.
    """
    async with watcher.changes:
        new = await _bring_back(watcher)
        for slot in list(watcher.slots):
            if slot not in new:
                await _replace(watcher, slot)


async def _bring_back(watcher: Watcher) -> list[Slot]:
    """Fill the slots that nobody looks after any more; those slots."""
    if watcher.is_stopping():
        await watcher.stopped.wait()
    slots = [slot for slot in watcher.slots if slot.is_given_up or watcher.is_stopped()]
    if slots or watcher.is_stopped():
        _refuse_stopping(watcher)
        _take_devices(watcher, slots)
        for slot in slots:
            slot.forgive()
        watcher.begin()
        watcher.crew.members_changed(watcher)  # callers may wait again
        await _fill(watcher, slots)
    return slots


def _take_devices(watcher: Watcher, slots: Sequence[Slot]) -> None:
    """Have slots that were given up hold their devices again: all of them, or none."""
    with contextlib.ExitStack() as undo:
        for slot in slots:
            watcher.crew.take_devices(watcher.service, slot.index)
            if slot.is_given_up:
                undo.callback(watcher.crew.give_back_devices, watcher.service, slot.index)
        undo.pop_all()


async def _fill(watcher: Watcher, slots: Sequence[Slot]) -> None:
    """Have empty slots filled, as soon as their workers may begin, and wait until all are ready.

    Raises:
        ServiceFailedError: A worker did not start.
    """
    _refuse_stopping(watcher)
    for slot in slots:
        if slot.process is None:
            slot.filled.clear()
    watcher.manage()
    try:
        async with asyncio.TaskGroup() as tasks:
            for slot in slots:
                tasks.create_task(_wait_filled(watcher, slot), name=f"{watcher.name}/{slot.index}")
    except* ServiceFailedError as failures:
        raise failures.exceptions[0] from None


async def _wait_filled(watcher: Watcher, slot: Slot) -> None:
    limit_s = watcher.service.config.supervision.startup_timeout_s
    try:
        async with asyncio.timeout(limit_s):
            await slot.filled.wait()
    except TimeoutError:
        cause = f"could not begin within {limit_s:g} s: too many other workers were beginning"
        raise ServiceFailedError(watcher.name, cause, slot=slot.index) from None
    if slot.process is None:
        raise ServiceFailedError(watcher.name, slot.last_end, slot=slot.index, last_lines=slot.last_lines)
    await _wait_ready(watcher, slot.process)


def _refuse_stopping(watcher: Watcher) -> None:
    if watcher.crew.is_stopping:
        raise ServiceFailedError(watcher.name, "it is being stopped, as the whole run is")


async def _replace(watcher: Watcher, slot: Slot) -> None:
    slot.forgive()
    old = slot.process
    if old is None:
        watcher.crew.members_changed(watcher)  # callers may wait again
        await _fill(watcher, [slot])
        return
    _refuse_stopping(watcher)
    if not watcher.is_active():
        raise ServiceFailedError(watcher.name, watcher.stop_reason or "it is being stopped", slot=slot.index)
    try:
        new = watcher.spawn_into(slot)
    except (OSError, ValueError) as error:
        raise ServiceFailedError(watcher.name, f"cannot be executed: {error}", slot=slot.index) from error
    slot.incoming = new
    watcher.crew.spawned(watcher, slot, new)
    try:
        await _wait_ready(watcher, new)
    except BaseException:
        new.verdict = new.verdict or "was ended, as it could not take the place of its predecessor"
        await watcher.kill_process(new, graceful_timeout=0.0)
        raise
    old.stopping = True
    watcher.take_place(new)
    await watcher.kill_process(old)


async def _wait_ready(watcher: Watcher, process: Process) -> None:
    """Wait until a worker is ready.

    Raises:
        ServiceFailedError: It ended before, or was not ready in time.
    """
    limit_s = watcher.service.config.supervision.startup_timeout_s
    waits = [
        asyncio.ensure_future(process.became_ready.wait()),
        asyncio.ensure_future(process.ended.wait()),
    ]
    try:
        await asyncio.wait(waits, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*waits, return_exceptions=True)
    if process.ended.is_set():
        cause = process.describe_end()
    elif not process.became_ready.is_set():
        cause = f"was not ready within {limit_s:g} s"
    else:
        return
    raise ServiceFailedError(
        watcher.name, cause, slot=process.place.index, last_lines=process.output.last_lines
    )
