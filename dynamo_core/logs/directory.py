"""The directory that a run's log files are in: private, and one run's at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from typing import TYPE_CHECKING, Final, Self

from dynamo_core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

LOCK_FILE: Final = ".lock"

_OTHERS_WRITE: Final = 0o022
_FILE_FLAGS: Final = os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""Without a wait for somebody who reads, should the path be that of a FIFO."""


class LogDirectory:
    """An open directory, locked until it is closed.

    Everything in it is reached through its descriptor, so that nobody can put another one in its place.
    """

    def __init__(self, path: Path, descriptor: int, lock: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._lock = lock

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the directory at *path*, which is made with mode 0700 if it is not there.

        Raises:
            ConfigError: It cannot be made, is a link, belongs to somebody else, others can write to it, or another
                live run has its logs there.
        """
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as exc:
            is_link = path.is_symlink()
            why = "it is a link, which is not followed" if is_link else exc.strerror or str(exc)
            raise _refused(path, why) from exc
        try:
            _check_owner(path, os.fstat(descriptor))
            lock = _take_lock(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor, lock)

    def open_file(self, name: str) -> int:
        """Open a log file to append to, made with mode 0600 if it is not there; a link is not followed.

        Raises:
            OSError: It cannot be opened, or is no plain file of this user's alone.
        """
        try:
            descriptor = os.open(name, os.O_RDWR | _FILE_FLAGS, 0o600, dir_fd=self._descriptor)
        except OSError as exc:
            if exc.errno == errno.ELOOP:
                raise OSError(exc.errno, "it is a link, which is not followed") from exc
            raise
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink > 1:
                raise OSError(errno.EPERM, "it is no plain file, or not of this user's alone")
            os.fchmod(descriptor, 0o600)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def is_at(self, name: str, descriptor: int) -> bool:
        """Whether the open file *descriptor* is still what *name* leads to."""
        try:
            there = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        here = os.fstat(descriptor)
        return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)

    def shift(self, name: str, *, keep: int) -> None:
        """Make room for a new file *name*: the present one becomes ``name.1``, that ``name.2``, up to *keep*.

        Raises:
            OSError: The directory cannot be changed.
        """
        names = [name, *(f"{name}.{number}" for number in range(1, keep + 1))]
        with contextlib.suppress(FileNotFoundError):
            os.unlink(names[-1], dir_fd=self._descriptor)
        for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
            with contextlib.suppress(FileNotFoundError):
                os.rename(newer, older, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def close(self) -> None:
        """Let go of the directory; another run may use it from now on."""
        os.close(self._lock)
        os.close(self._descriptor)


def _check_owner(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise _refused(path, "it belongs to another user")
    if found.st_mode & _OTHERS_WRITE:
        mode = stat.S_IMODE(found.st_mode)
        raise _refused(path, f"others can write to it (mode {mode:04o}); chmod go-w, or name another one")


def _take_lock(path: Path, descriptor: int) -> int:
    try:
        lock = os.open(
            LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=descriptor
        )
    except OSError as exc:
        raise _refused(path, f"{LOCK_FILE}: {exc.strerror}") from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(lock)
        raise _refused(path, "another run writes its logs there") from exc
    return lock


def _refused(path: Path, why: str) -> ConfigError:
    return ConfigError(f"log directory {str(path)!r} cannot be used: {why}")
