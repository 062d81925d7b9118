"""Find the runs of this user, alive or dead, whatever provider runs them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

import attrs

from dynamo_core.control.private_folder import OPEN_FOLDER, RunsFolder, runs_folders
from dynamo_core.control.run_directory import CONTROL_SOCKET, RUN_ID, STATE_FILE, is_locked, opened_run
from dynamo_core.control.state import RunState, StateFileError, is_same_process, read_state
from dynamo_core.errors import RunDirectoryError, RunNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LOOK_INTERVAL_S: Final = 0.02


@attrs.frozen(kw_only=True)
class FoundRun:
    """A run directory that was found.

    Attributes:
        run_id: Its id.
        path: Its directory.
        is_alive: Whether its supervisor holds its lock.
        state: Its state; None if that cannot be read.
        problem: Why the state cannot be read; empty if it can.
    """

    run_id: str
    path: Path
    is_alive: bool
    state: RunState | None = None
    problem: str = ""

    @property
    def control_socket_path(self) -> Path:
        """Where its supervisor takes commands; always in its own directory, whatever its state file says."""
        return self.path / CONTROL_SOCKET


def list_runs(base: Path | None = None, *, environ: Mapping[str, str] | None = None) -> tuple[FoundRun, ...]:
    """All runs of this user, in the order they were started.

    Args:
        base: Folder to look in; None looks in all in which runs may lie.
        environ: Environment to ask; None means this process's.
    """
    found: list[FoundRun] = []
    for folder in runs_folders(base, environ):
        with (
            contextlib.suppress(FileNotFoundError, RunDirectoryError),
            folder.opened(create=False) as descriptor,
        ):
            for name in os.listdir(descriptor):  # noqa: PTH208  # by descriptor
                if RUN_ID.fullmatch(name):
                    with contextlib.suppress(OSError):
                        found.append(_look_at(folder, descriptor, name))
    return tuple(sorted(found, key=lambda run: (run.state.started_at if run.state else "", run.run_id)))


def find_run(
    wanted: str | None = None, *, base: Path | None = None, environ: Mapping[str, str] | None = None
) -> FoundRun:
    """The one live run that is meant.

    Args:
        wanted: A run's id, the beginning of one, or the name of its graph; None means the only run.
        base: Folder to look in; None looks in all in which runs may lie.
        environ: Environment to ask; None means this process's.

    Raises:
        RunNotFoundError: No live run fits, or several do.
    """
    alive = [run for run in list_runs(base, environ=environ) if run.is_alive]
    fitting = [run for run in alive if wanted is None or _fits(run, wanted)]
    if len(fitting) == 1:
        return fitting[0]
    exact = [run for run in fitting if run.run_id == wanted]
    if exact:
        return exact[0]
    if fitting:
        fits = "" if wanted is None else f" that fit {wanted!r}"
        raise RunNotFoundError(
            f"{len(fitting)} runs are alive{fits}: {_names(fitting)}; name one by its id",
            fitting=[run.run_id for run in fitting],
        )
    if not alive:
        raise RunNotFoundError("no run is alive")
    raise RunNotFoundError(f"no live run fits {wanted!r}; there are: {_names(alive)}")


def is_over(run: FoundRun) -> bool:
    """Whether a run that was found alive has ended since."""
    try:
        descriptor = os.open(run.path, OPEN_FOLDER)
    except OSError:
        return True
    try:
        return not is_locked(descriptor)
    finally:
        os.close(descriptor)


async def wait_until_over(run: FoundRun, timeout_s: float) -> bool:
    """Wait until a run's supervisor has let go of its directory; False when *timeout_s* passed first."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while not is_over(run):
                await asyncio.sleep(
                    _LOOK_INTERVAL_S
                )  # a lock that is let go of wakes nobody who can be cancelled
    return is_over(run)


def signal_supervisor(run: FoundRun, number: int) -> bool:
    """Send a signal to a run's supervisor, for runs whose control socket does not answer.

    Args:
        run: The run; its state tells the process.
        number: The signal. After SIGKILL the provider's guardian clears up.

    Returns:
        Whether the supervisor was there; a later process of the same number is never signalled.

    Raises:
        RunNotFoundError: The state of the run cannot be read, so that its supervisor is not known.
    """
    if run.state is None:
        raise RunNotFoundError(f"the supervisor of run {run.run_id} is not known: {run.problem}")
    pid = run.state.supervisor_pid
    try:
        process = os.pidfd_open(pid) if sys.platform == "linux" else None
    except OSError:
        return False
    try:
        if is_over(run) or not is_same_process(pid, run.state.supervisor_start_ticks):
            return False
        if process is None:
            os.kill(pid, number)
        else:
            signal.pidfd_send_signal(process, number)
    except ProcessLookupError:
        return False
    finally:
        if process is not None:
            os.close(process)
    return True


def _fits(run: FoundRun, wanted: str) -> bool:
    return bool(wanted) and (
        run.run_id.startswith(wanted) or (run.state is not None and run.state.graph == wanted)
    )


def _names(runs: list[FoundRun]) -> str:
    return ", ".join(f"{run.run_id} ({run.state.graph})" if run.state else run.run_id for run in runs)


def _look_at(folder: RunsFolder, descriptor: int, name: str) -> FoundRun:
    path = folder.path / name
    with opened_run(descriptor, name) as directory:
        is_alive = is_locked(directory)
        try:
            state = read_state(path / STATE_FILE, directory=directory)
        except StateFileError as error:
            return FoundRun(run_id=name, path=path, is_alive=is_alive, problem=error.reason)
        if state.run_id != name:
            reason = f"it is of another run: {state.run_id!r}"
            return FoundRun(run_id=name, path=path, is_alive=is_alive, problem=reason)
        return FoundRun(run_id=name, path=path, is_alive=is_alive, state=state)
