"""The private directory of one run: its sockets and its state file.

A run is alive exactly as long as somebody holds the lock (``flock``) on its directory.
The lock is on the directory itself: no lock file can go missing, and systemd's clean-up of temporary folders
leaves locked directories alone.
A directory is made and locked under a temporary name and then renamed, so that nobody can see it unlocked; whoever
clears up takes the lock first, so that a live run is never touched.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import secrets
import shutil
import stat
from typing import TYPE_CHECKING, Final, Self

from dynamo_core.control.private_folder import OPEN_FOLDER, REMEDY, RunsFolder, runs_folders
from dynamo_core.errors import RunDirectoryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

logger = logging.getLogger(__name__)

LONGEST_PATH_BYTES: Final = 100
"""Socket paths may have 107 bytes on Linux and 103 on macOS; this leaves room for a name made beside one."""

RUN_ID: Final = re.compile(r"[0-9a-f]{16}")
STATE_FILE: Final = "state.json"
CONTROL_SOCKET: Final = "control.sock"
NOTIFY_SOCKET: Final = "notify.sock"

_UNPUBLISHED: Final = ".new-"
_LONGEST_NAME: Final = "w999-9999.sock"
_ATTEMPTS: Final = 32


class RunDirectory:
    """One run's directory, mode 0700, locked until :meth:`close` or :meth:`remove`.

    Attributes:
        run_id: Random; the directory's name, and what the ends of a connection tell each other.
        path: The directory.
    """

    run_id: str
    path: Path

    def __init__(self, folder: RunsFolder, run_id: str, descriptor: int) -> None:
        self.run_id = run_id
        self.path = folder.path / run_id
        self._folder = folder
        self._descriptor = descriptor

    @classmethod
    def create(cls, base: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Self:
        """Make and lock a fresh run directory.

        Args:
            base: Folder to make it in; None asks ``DYNAMO_RUNTIME_DIR``, then ``XDG_RUNTIME_DIR``, then takes the
                temporary folder.
            environ: Environment to ask; None means this process's.

        Raises:
            RunDirectoryError: There is no folder that is private and has a short enough path.
        """
        problems: list[str] = []
        for folder in runs_folders(base, environ):
            try:
                check_socket_path(folder.path / ("0" * 16) / _LONGEST_NAME)
                with folder.opened(create=True) as descriptor:
                    return cls(folder, *_publish(descriptor, folder))
            except RunDirectoryError as error:
                logger.info("%s", error)
                problems.append(str(error))
            except OSError as error:
                problems.append(
                    f"cannot make a run directory in {str(folder.path)!r}: {error.strerror}; {REMEDY}"
                )
        raise RunDirectoryError("; or else ".join(problems))

    def socket_path(self, service_index: int, slot: int) -> Path:
        """Path of one worker's socket; made from numbers, so that no service's name can lead elsewhere.

        Args:
            service_index: Position of the service in its graph.
            slot: Slot of the worker.

        Raises:
            RunDirectoryError: The path would be too long.
        """
        if service_index < 0 or slot < 0:
            raise RunDirectoryError(f"socket numbers must be >= 0, got {service_index} and {slot}")
        return check_socket_path(self.path / f"w{service_index}-{slot}.sock")

    @property
    def control_socket_path(self) -> Path:
        """Where the supervisor takes commands."""
        return self.path / CONTROL_SOCKET

    @property
    def notify_socket_path(self) -> Path:
        """Where workers tell that they are ready."""
        return self.path / NOTIFY_SOCKET

    @property
    def state_path(self) -> Path:
        """Where the supervisor keeps the run's state for other processes."""
        return self.path / STATE_FILE

    @property
    def is_intact(self) -> bool:
        """Whether the path still leads to this directory: nobody has removed or replaced it."""
        try:
            found = os.lstat(self.path)
            ours = os.fstat(self.fileno())
        except (OSError, ValueError):
            return False
        return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)

    def restore(self) -> bool:
        """Make the directory again, empty and locked, if somebody has removed it.

        The supervisor calls this from its housekeeping; sockets have to be bound again and the state be written.

        Returns:
            Whether it was missing.

        Raises:
            RunDirectoryError: It cannot be made, or something else has taken its place.
            ValueError: The directory has been closed.
        """
        held = self.fileno()
        if self.is_intact:
            return False
        with self._folder.opened(create=True) as folder:
            _, self._descriptor = _publish(folder, self._folder, self.run_id)
        os.close(held)
        return True

    def fileno(self) -> int:
        """The descriptor that holds the lock; not inherited by programs that are started.

        The run counts as alive while any process holds a copy of it.

        Raises:
            ValueError: The directory has been closed.
        """
        if self._descriptor < 0:
            raise ValueError(f"the run directory {str(self.path)!r} has been closed")
        return self._descriptor

    def close(self) -> None:
        """Let go of the lock and leave the directory; it may then be swept. Safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        """Delete the directory and all it holds, then let go of the lock. Safe to call twice.

        What has taken the directory's place under its path is left alone.
        """
        if self._descriptor < 0:
            return
        try:
            remove_opened(self._descriptor, self.path)
        finally:
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def check_socket_path(path: Path) -> Path:
    """Give *path* back if a unix socket can have it.

    Raises:
        RunDirectoryError: It is longer than :data:`LONGEST_PATH_BYTES`.
    """
    length = len(os.fsencode(path))
    if length > LONGEST_PATH_BYTES:
        raise RunDirectoryError(
            f"a socket's path would have {length} bytes, the limit is {LONGEST_PATH_BYTES}: {str(path)!r}; {REMEDY}"
        )
    return path


def identify(path: Path | str) -> tuple[int, int] | None:
    """What is at *path* itself, as device and inode; None when there is nothing."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def remove_opened(descriptor: int, path: Path) -> None:
    """Delete the content of an opened directory, and the directory itself if *path* still leads to it."""
    for entry in os.listdir(descriptor):  # by descriptor
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(entry, dir_fd=descriptor, follow_symlinks=False).st_mode):
                shutil.rmtree(entry, ignore_errors=True, dir_fd=descriptor)
            else:
                os.unlink(entry, dir_fd=descriptor)
    with contextlib.suppress(OSError):
        found, ours = os.lstat(path), os.fstat(descriptor)
        if (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino):
            path.rmdir()


def try_lock(descriptor: int) -> bool:
    """Take the lock of an opened run directory; False when its run is alive."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(descriptor: int) -> bool:
    """Whether a run holds the lock of an opened run directory.

    Readers share their short look, so that they do not take one another for a live run.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def sweep_dead_runs(base: Path | None = None, *, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Remove what runs of this user that are no longer alive have left behind.

    Called whenever a run starts. Live runs, runs that are just being made, and whatever else lies beside them are
    not touched.

    Args:
        base: Folder to clear; None clears all in which runs may lie.
        environ: Environment to ask; None means this process's.

    Returns:
        Ids of the runs that were removed.
    """
    removed: list[str] = []
    for folder in runs_folders(base, environ):
        with (
            contextlib.suppress(FileNotFoundError, RunDirectoryError),
            folder.opened(create=False) as descriptor,
        ):
            names = sorted(os.listdir(descriptor))  # noqa: PTH208  # by descriptor
            removed += [name for name in names if _sweep(descriptor, folder.path, name)]
    return tuple(name for name in removed if RUN_ID.fullmatch(name))


@contextlib.contextmanager
def opened_run(folder: int, name: str) -> Iterator[int]:
    """Open the run directory *name* in an opened folder.

    Raises:
        OSError: It is gone, a link, not a directory, or not ours.
    """
    descriptor = os.open(name, OPEN_FOLDER, dir_fd=folder)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "not a directory of this user", name)
        yield descriptor
    finally:
        os.close(descriptor)


def _sweep(folder: int, path: Path, name: str) -> bool:
    if not RUN_ID.fullmatch(name.removeprefix(_UNPUBLISHED)):
        return False
    try:
        with opened_run(folder, name) as descriptor:
            if not try_lock(descriptor):
                return False
            remove_opened(descriptor, path / name)
    except OSError as error:
        logger.debug("cannot clear the dead run %s: %s", name, error)
        return False
    return True


def _publish(folder_descriptor: int, folder: RunsFolder, wanted_id: str | None = None) -> tuple[str, int]:
    """Make a directory, lock it, and only then give it its name; returns its id and its locked descriptor."""
    for _ in range(_ATTEMPTS):
        hidden_id = secrets.token_hex(8)
        run_id = wanted_id or hidden_id
        hidden = _UNPUBLISHED + hidden_id
        os.mkdir(hidden, 0o700, dir_fd=folder_descriptor)
        descriptor = -1
        try:
            os.chmod(hidden, 0o700, dir_fd=folder_descriptor)  # whatever the umask took away
            descriptor = os.open(hidden, OPEN_FOLDER, dir_fd=folder_descriptor)
            if try_lock(descriptor):
                os.rename(hidden, run_id, src_dir_fd=folder_descriptor, dst_dir_fd=folder_descriptor)
                return run_id, descriptor
        except FileNotFoundError:
            pass  # somebody who clears up took it for a dead run: make another
        except OSError as error:
            _discard(folder_descriptor, hidden, descriptor)
            raise RunDirectoryError(
                f"cannot make and lock a run directory in {str(folder.path)!r}: {error.strerror}; {REMEDY}"
            ) from error
        _discard(folder_descriptor, hidden, descriptor)
    raise RunDirectoryError(
        f"cannot make a run directory in {str(folder.path)!r}: it is removed at once, {_ATTEMPTS} times"
    )


def _discard(folder_descriptor: int, hidden: str, descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)
    with contextlib.suppress(OSError):
        os.rmdir(hidden, dir_fd=folder_descriptor)
