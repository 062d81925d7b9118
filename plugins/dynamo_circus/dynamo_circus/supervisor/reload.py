"""``--reload``: services are restarted when files that their workers have imported change.

Workers tell which files those are, over the notification socket; the supervisor looks at them and imports none.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from dynamo_circus.supervisor import changes
from dynamo_core.errors import DynamoError, ServiceFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dynamo_circus.plan import RunPlan
    from dynamo_circus.supervisor.process import Process
    from dynamo_circus.supervisor.watcher import Watcher

logger = logging.getLogger(__name__)

LOOK_INTERVAL_S: Final = 0.4
MOST_FILES: Final = 20_000
NAMED_FILES: Final = 3

Stamp = tuple[object, ...]
"""What is different once a file has changed."""


class ReloadedRun(Protocol):
    """The run, as far as reloading has to do with it."""

    plan: RunPlan
    ready: asyncio.Event
    is_stopping: bool

    @property
    def watchers(self) -> Sequence[Watcher]:
        """Its watchers, dependencies first."""

    def say(self, service: str, what: str, reason: str | None) -> None:
        """Let everybody know of something that was asked of the run."""

    def all_dependents_of(self, name: str) -> set[str]:
        """Names of the services that depend on *name*, however indirectly."""


class Reloader:
    """Looks at the files that workers have imported, and restarts services whose files have changed.

    A service is restarted together with those that depend on it, dependencies first, one worker after another.
    A version that does not start leaves the one before it serving; the next change is the next try.

    Args:
        run: The run.
        interval_s: Seconds between two looks; changes wait until nothing has changed between two.
    """

    def __init__(self, run: ReloadedRun, *, interval_s: float = LOOK_INTERVAL_S) -> None:
        self._run = run
        self._interval_s = interval_s
        self._files: dict[Process, set[str]] = defaultdict(set)
        self._stamps: dict[str, Stamp] = {}
        self._spawned_at: dict[str, float] = {}
        self._folders: dict[str, Stamp] = {}
        self._stale: set[str] = set()
        self._changed: set[str] = set()
        self._is_due = False

    def imported(self, process: Process, files: Iterable[str]) -> None:
        """Take in what a worker says that it has imported."""
        known = self._files[process]
        for file in files:
            if Path(file).is_absolute() and len(known) < MOST_FILES:
                known.add(file)
                self._spawned_at.setdefault(file, process.started)

    async def watch(self) -> None:
        """Look until cancelled."""
        await self._run.ready.wait()
        async with asyncio.TaskGroup() as tasks:
            restarting: asyncio.Task[None] | None = None
            while True:
                await asyncio.sleep(self._interval_s)
                if await self._look():
                    self._abandon_successors()
                elif self._is_due and (restarting is None or restarting.done()):
                    self._is_due = False
                    restarting = tasks.create_task(self._restart_stale(), name="reload")

    # --- looking -------------------------------------------------------------------------------------------

    async def _look(self) -> bool:
        """Find out what has changed since the last look, and which services are stale by it; whether any are."""
        self._forget_gone()
        files = {file for known in self._files.values() for file in known}
        stamps = await asyncio.to_thread(_stamps_of, [*files, *self._folders])
        changed = {file for file in files if file in stamps and self._has_changed(file, stamps[file])}
        for folder, before in self._folders.items():
            names = set(before) ^ set(stamps.get(folder, before))
            changed.update(str(Path(folder, str(name))) for name in names)
        self._folders = {folder: stamps[folder] for folder in self._folders if folder in stamps}
        if not changed:
            return False
        stale = {process.name for process, known in self._files.items() if known & changed}
        for name in list(stale):
            stale |= self._run.all_dependents_of(name)
        self._stale |= stale
        self._changed |= changed
        self._is_due = True
        return True

    def _has_changed(self, file: str, stamp: Stamp) -> bool:
        """Whether a file is another than at the last look, or, at the first one, than when it was imported."""
        before = self._stamps.get(file)
        self._stamps[file] = stamp
        if before is not None:
            return stamp != before
        modified_ns = stamp[0]
        assert isinstance(modified_ns, int)
        return modified_ns > self._spawned_at[file] * 1e9

    # --- restarting ----------------------------------------------------------------------------------------

    async def _restart_stale(self) -> None:
        reason, self._changed = self._describe(self._changed), set()
        folders = {str(Path(file).parent) for known in self._files.values() for file in known}
        self._folders = await asyncio.to_thread(_stamps_of, sorted(folders))
        for watcher in self._run.watchers:
            if watcher.name in self._stale and not self._run.is_stopping:
                self._run.say(watcher.name, "restarted, one worker after another", reason)
                try:
                    await changes.restart(watcher)
                except DynamoError as exc:
                    self._tell_failure(watcher.name, exc)
                    return
                self._stale.discard(watcher.name)
        self._folders = {}  # a missing module was the only reason to look at them

    def _tell_failure(self, service: str, exc: DynamoError) -> None:
        if self._is_due or self._run.is_stopping:
            return  # it has been overtaken
        if isinstance(exc, ServiceFailedError):
            why = f"it {exc.cause}: {exc.last_lines[-1]}" if exc.last_lines else f"it {exc.cause}"
        else:
            why = str(exc)
        logger.warning("%s: the new version did not start, and the one before it goes on; %s", service, why)

    def _abandon_successors(self) -> None:
        """End workers that were to take over with a version that is outdated already."""
        for watcher in self._run.watchers:
            for slot in watcher.slots:
                if slot.incoming is not None and watcher.name in self._stale:
                    slot.incoming.verdict = "was overtaken by another change"
                    slot.incoming.kill_group()

    def _forget_gone(self) -> None:
        """Forget what workers had imported that are gone, once there are others in their place.

        Those of a version that did not start are kept in mind until one does.
        """
        replaced = {process.name for process in self._files if process.is_alive()} - self._stale
        for process in list(self._files):
            if process.name in replaced and not process.is_alive():
                del self._files[process]

    def _describe(self, changed: set[str]) -> str:
        names = sorted(os.path.relpath(file, self._run.plan.working_dir) for file in changed)
        more = f" and {len(names) - NAMED_FILES} more" if len(names) > NAMED_FILES else ""
        have = "has" if len(names) == 1 else "have"
        return f"{', '.join(names[:NAMED_FILES])}{more} {have} changed"


def _stamps_of(paths: Iterable[str]) -> dict[str, Stamp]:
    """The stamps of those files and folders that are there; blocking."""
    found: dict[str, Stamp] = {}
    for path in paths:
        try:
            status = Path(path).stat()
            if stat.S_ISDIR(status.st_mode):
                found[path] = _modules_in(path)
            else:
                found[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError:
            continue  # gone, or between two versions
    return found


def _modules_in(folder: str) -> Stamp:
    """Names in a folder that can be imported."""
    with os.scandir(folder) as entries:
        return tuple(
            sorted(
                entry.name
                for entry in entries
                if entry.name.endswith(".py") or (entry.name.isidentifier() and entry.is_dir())
            )
        )
