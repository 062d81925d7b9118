"""Nothing that the workers of a run have started outlives them, and no worker outlives the run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from typing import TYPE_CHECKING, Final

from dynamo_core.supervision.ending import call_at_end
from dynamo_core.supervision.guardian import Guardian, kill_owned

if TYPE_CHECKING:
    from dynamo_core.control import RunDirectory

logger = logging.getLogger(__name__)

GUARDIAN_END_S: Final = 1.0
AGAIN_S: Final = 1.0
"""Between one start of a guardian and the next, if it comes to that."""


class RunGuard:
    """Kills what workers leave behind, and has a guardian do so, and kill the workers, if this process dies.

    All of it is found by ``DYNAMO_WORKER_ID``.
    No group is told to the guardian: pids are the engine's, and need not be of this machine.
    Nothing is done where the environment of a process cannot be read, which is everywhere but on Linux.

    Belongs to the event loop that it is started on.

    Args:
        directory: The run's directory, which the guardian removes if this process dies.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self._run_id = directory.run_id
        self._guardian = Guardian(directory.run_id, directory.path)
        self._is_tried = asyncio.Event()
        self._dead: set[str] = set()
        self._sweep_due = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, beside whatever else the loop does; whoever calls this calls :meth:`aclose`."""
        if sys.platform == "linux":
            self._tasks = [
                asyncio.create_task(self._keep_guarded(), name="guardian"),
                asyncio.create_task(self._keep_swept(), name="sweep"),
            ]

    async def wait_started(self) -> None:
        """Wait until a guardian has been started, or could not be."""
        if self._tasks:
            await self._is_tried.wait()

    def worker_ended(self, owner: str) -> None:
        """A worker has ended; what it left behind follows it.

        Args:
            owner: Its ``DYNAMO_WORKER_ID``.
        """
        if self._tasks:
            self._dead.add(owner)
            self._sweep_due.set()

    async def aclose(self) -> None:
        """Kill whatever the run has left, and let the guardian go; no worker is started any more.

        Safe to call twice.
        """
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._tasks:
            self._tasks = []
            await asyncio.to_thread(self._kill, [f"{self._run_id}/"])
            self._guardian.close()
            await asyncio.to_thread(self._guardian.wait, GUARDIAN_END_S)

    async def _keep_guarded(self) -> None:
        """Start a guardian, and another one whenever it dies, until cancelled."""
        while True:
            began = time.monotonic()
            try:
                await self._start_guardian()
                self._is_tried.set()
                assert self._guardian.pid is not None, "it has just been started"
                await _end_of(self._guardian.pid)
                logger.warning("the guardian of run %s has died; another one takes its place", self._run_id)
                await asyncio.to_thread(self._guardian.wait, GUARDIAN_END_S)
            except OSError as exc:
                logger.warning("the guardian of run %s cannot be started: %s", self._run_id, exc)
                self._is_tried.set()
            await asyncio.sleep(began + AGAIN_S - time.monotonic())

    async def _start_guardian(self) -> None:
        """Start it off the loop, on which workers are being started; see it through if cancelled."""
        starting = asyncio.ensure_future(asyncio.to_thread(self._guardian.start))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                await starting
            raise

    async def _keep_swept(self) -> None:
        """Kill what workers that have ended left behind, until cancelled."""
        while True:
            await self._sweep_due.wait()
            self._sweep_due.clear()
            owners, self._dead = self._dead, set()
            await asyncio.to_thread(self._kill, [f"{owner}\0" for owner in owners])

    def _kill(self, owners: list[str]) -> None:
        try:
            kill_owned(owners)
        except OSError as exc:  # no descriptors, or no /proc
            logger.debug("what %s left behind cannot be looked for: %s", ", ".join(owners), exc)


async def _end_of(pid: int) -> None:
    """Wait until a child has ended; it is left to be reaped."""
    ended = asyncio.Event()
    forget = None
    while forget is None:
        try:
            forget = call_at_end(pid, ended.set)
        except ProcessLookupError:  # something else has reaped it
            return
        except OSError:  # no descriptors now
            await asyncio.sleep(AGAIN_S)
    try:
        await ended.wait()
    finally:
        forget()
