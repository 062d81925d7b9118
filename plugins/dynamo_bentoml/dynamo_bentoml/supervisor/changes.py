"""Changing a service while it runs, on request: more workers, fewer, new ones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from dynamo_core.errors import ServiceFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dynamo_bentoml.supervisor.group import ServiceGroup
    from dynamo_bentoml.supervisor.process import WorkerProcess
    from dynamo_bentoml.supervisor.slot import Slot

HAND_OVER_S: Final = 2.0
"""For a worker that is replaced to take no more connections."""


async def scale(group: ServiceGroup, workers: int) -> None:
    """Bring a service to that many workers, and return once they are ready or gone.

    Raises:
        ServiceFailedError: A new one did not become ready; the service has as many as before.
    """
    async with group.changing:
        _refuse_stopped(group)
        before = len(group.slots)
        try:
            for index in range(before, workers):
                group.add_slot(index)
            added = group.slots[before:]
            for slot in added:
                group.spawn(slot)
            for slot in added:
                await _wait_ready(group, slot, slot.worker)
        except BaseException:
            await asyncio.shield(_drop(group, group.slots[before:]))
            raise
        await asyncio.shield(_drop(group, group.slots[workers:]))  # seen through, whoever asked


async def restart(group: ServiceGroup) -> None:
    """Replace every worker, one slot after the other; each new one is ready before the old one goes.

    Raises:
        ServiceFailedError: A new one did not become ready; its predecessor stays.
    """
    async with group.changing:
        _refuse_stopped(group)
        for slot in list(group.slots):
            await _replace(group, slot)


async def _replace(group: ServiceGroup, slot: Slot) -> None:
    slot.cancel_timer()
    slot.incoming = incoming = group.start_process(slot)
    if incoming is None:
        group.retry(slot)
    try:
        await _wait_ready(group, slot, incoming)
    except BaseException:
        if incoming is not None:
            incoming.kill("was ended, as it could not take the place of its predecessor")
        raise
    assert incoming is not None, "it is ready"
    old, slot.worker, slot.incoming = slot.worker, incoming, None
    slot.limit, slot.is_given_up = "", False
    slot.account.forget()
    if old is None:
        group.serves(slot, incoming)
        return
    await asyncio.shield(_hand_over(group, slot, old, incoming))  # seen through, whoever asked


async def _hand_over(group: ServiceGroup, slot: Slot, old: WorkerProcess, new: WorkerProcess) -> None:
    # Both hold the slot's socket: callers are led to the new one once the old one takes nobody any more.
    leaving = asyncio.ensure_future(group.end([old]))
    await _first_of(old.says_stopping, old.has_ended, timeout_s=HAND_OVER_S)
    group.serves(slot, new)
    await leaving


async def _wait_ready(group: ServiceGroup, slot: Slot, process: WorkerProcess | None) -> None:
    """Wait for a new process; its time limit ends it, and so the wait."""
    if process is not None:
        await _first_of(process.became_ready, process.has_ended)
        if process.is_ready:
            return
    cause = slot.last_cause if process is None else process.describe_end()
    lines = () if process is None else process.last_lines
    raise ServiceFailedError(group.name, f"the new worker {cause}", slot=slot.index, last_lines=lines)


def _refuse_stopped(group: ServiceGroup) -> None:
    if group.is_stopping:
        raise ServiceFailedError(group.name, "it is being stopped")


async def _drop(group: ServiceGroup, slots: Iterable[Slot]) -> None:
    """Take slots away: callers forget them first, then their workers finish what they have."""
    leaving = list(slots)
    for slot in leaving:
        slot.cancel_timer()
        group.slots.remove(slot)
    group.slots_changed()
    await group.end([process for slot in leaving for process in slot.processes])
    for slot in leaving:
        slot.listener.close()


async def _first_of(*events: asyncio.Event, timeout_s: float | None = None) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
