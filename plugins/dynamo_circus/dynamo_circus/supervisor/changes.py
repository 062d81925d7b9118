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
    from dynamo_circus.supervisor.process import Process
    from dynamo_circus.supervisor.slots import Slot
    from dynamo_circus.supervisor.watcher import Watcher

logger = logging.getLogger(__name__)


async def scale(watcher: Watcher, workers: int) -> None:
    """Give a service that many workers: new slots above the highest, or the highest ones taken away.

    Returns when the new workers are ready, or those that were taken away have ended.

    Raises:
        ServiceFailedError: A new worker did not start; the service has as many slots as before.
    """
    async with watcher.changes:
        before = len(watcher.slots)
        if workers > before:
            await _grow(watcher, workers)
        elif workers < before:
            await _shrink(watcher, workers)


async def _grow(watcher: Watcher, workers: int) -> None:
    before = len(watcher.slots)
    added = [
        watcher.make_slot(watcher.crew.open_slot(watcher.service, index)) for index in range(before, workers)
    ]
    watcher.slots += added
    watcher.numprocesses = len(watcher.slots)
    watcher.manage()
    try:
        for slot in added:
            await slot.filled.wait()
            if slot.process is None:
                raise ServiceFailedError(
                    watcher.name, slot.last_end, slot=slot.index, last_lines=slot.last_lines
                )
            await _wait_ready(watcher, slot.process)
    except BaseException:
        await asyncio.shield(_shrink(watcher, before))
        raise


async def _shrink(watcher: Watcher, workers: int) -> None:
    removed = watcher.slots[workers:]
    del watcher.slots[workers:]
    watcher.numprocesses = len(watcher.slots)
    watcher.crew.members_changed(watcher)  # callers go elsewhere before the first worker is told to stop
    for slot in removed:
        slot.is_given_up = True
        watcher.crew.close_slot(slot.socket)
    await asyncio.gather(
        *(watcher.kill_process(slot.process) for slot in reversed(removed) if slot.process is not None)
    )


async def restart(watcher: Watcher) -> None:
    """Replace a service's workers one after another: the new one is ready before the old one is told to stop.

    Raises:
        ServiceFailedError: A new worker did not start; the old one goes on.
    """
    async with watcher.changes:
        for slot in list(watcher.slots):
            await _replace(watcher, slot)


async def _replace(watcher: Watcher, slot: Slot) -> None:
    slot.account.forget()
    slot.is_given_up = False
    slot.next_spawn_at = 0.0
    old = slot.process
    if old is None:
        watcher.manage()
        if slot.process is not None:
            await _wait_ready(watcher, slot.process)
        return
    try:
        new = watcher.spawn_into(slot)
    except (OSError, ValueError) as error:
        raise ServiceFailedError(watcher.name, f"cannot be executed: {error}", slot=slot.index) from error
    slot.incoming = new
    watcher.crew.spawned(watcher, slot, new)
    try:
        await _wait_ready(watcher, new)
    except BaseException:
        await asyncio.shield(watcher.kill_process(new, graceful_timeout=0.0))
        slot.incoming = None
        watcher.manage()  # the old one may have died meanwhile
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
