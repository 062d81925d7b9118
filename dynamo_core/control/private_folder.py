"""Where the directories of runs may lie, and how such a folder is opened without trusting its name.

Other users can write into a temporary folder, and can guess every name in it.
So nothing found there is believed: a folder is opened without following a link, and its owner and mode are read
from the opened descriptor, never from the path.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from dynamo_core import environment
from dynamo_core.errors import RunDirectoryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OPEN_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPEN_PARENT: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

NAME: Final = "dynamo"
REMEDY: Final = f"set {environment.RUNTIME_DIR} to a private folder of your own with a short path"

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_ANY: Final = stat.S_IRWXG | stat.S_IRWXO


@attrs.frozen(kw_only=True)
class RunsFolder:
    """A folder that holds run directories, one entry per run.

    Attributes:
        path: Where it is, absolute.
        source: What named it, for messages.
        is_explicit: Whether the user named this very folder, so that no other may stand in for it.
    """

    path: Path
    source: str
    is_explicit: bool = False

    @contextlib.contextmanager
    def opened(self, *, create: bool) -> Iterator[int]:
        """Open the folder and check that nobody else can have a hand in it.

        Args:
            create: Make it, private, when it is missing.

        Yields:
            A descriptor of the folder, closed on leaving.

        Raises:
            FileNotFoundError: It does not exist, and *create* is false.
            RunDirectoryError: It is not a folder, not ours, or others can write into it; or it cannot be made.
        """
        try:
            descriptor = self._open_explicit(create) if self.is_explicit else self._open_shared(create)
        except FileNotFoundError:
            if create:
                raise self._refusal("it cannot be made: a folder above it is missing") from None
            raise
        except OSError as error:
            raise self._refusal(_reason(error)) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _open_explicit(self, create: bool) -> int:
        if create:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, OPEN_FOLDER)
        # A folder that others may list is fine here: each run's own directory is closed to them.
        return self._checked(descriptor, _OTHERS_WRITE)

    def _open_shared(self, create: bool) -> int:
        parent = os.open(self.path.parent, OPEN_PARENT)
        try:
            self._check_parent(os.fstat(parent))
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(self.path.name, 0o700, dir_fd=parent)
            return self._checked(os.open(self.path.name, OPEN_FOLDER, dir_fd=parent), _OTHERS_ANY)
        finally:
            os.close(parent)

    def _checked(self, descriptor: int, forbidden: int) -> int:
        found = os.fstat(descriptor)
        mode = stat.S_IMODE(found.st_mode)
        if found.st_uid != os.geteuid():
            os.close(descriptor)
            raise self._refusal(f"it belongs to user {found.st_uid}, wanted {os.geteuid()}")
        if mode & forbidden:
            os.close(descriptor)
            raise self._refusal(
                f"its mode {mode:04o} lets other users in; 'chmod 700' it if its content is yours"
            )
        return descriptor

    def _check_parent(self, found: os.stat_result) -> None:
        """Refuse a parent in which somebody else could rename our folder away."""
        if found.st_uid not in {0, os.geteuid()}:
            raise self._refusal(f"the folder above it belongs to user {found.st_uid}")
        if found.st_mode & _OTHERS_WRITE and not found.st_mode & stat.S_ISVTX:
            raise self._refusal("others can rename it: the folder above it is writable and not sticky")

    def _refusal(self, reason: str) -> RunDirectoryError:
        return RunDirectoryError(
            f"cannot keep runs in {str(self.path)!r} (from {self.source}): {reason}; {REMEDY}"
        )


def runs_folders(
    base: Path | None = None, environ: Mapping[str, str] | None = None
) -> tuple[RunsFolder, ...]:
    """Folders in which runs of this user may lie, best first.

    Args:
        base: The one folder to use; None asks the environment.
        environ: Environment to read; None reads this process's.

    Returns:
        *base* alone, or ``DYNAMO_RUNTIME_DIR`` alone, or else: ``dynamo`` below ``XDG_RUNTIME_DIR`` if that is
        private, ``dynamo-<uid>`` in the temporary folder, and ``dynamo-<uid>`` in ``/tmp``.
        A run is made in the first that works, and looked for in all of them.

    Raises:
        RunDirectoryError: ``DYNAMO_RUNTIME_DIR`` is not absolute.
    """
    values = os.environ if environ is None else environ
    if base is not None:
        return (RunsFolder(path=_canonical(base.absolute()), source="the caller", is_explicit=True),)
    if named := values.get(environment.RUNTIME_DIR):
        if not named.startswith("/"):
            raise RunDirectoryError(f"{environment.RUNTIME_DIR} must be an absolute path, got {named!r}")
        folder = _canonical(Path(named))
        return (RunsFolder(path=folder, source=environment.RUNTIME_DIR, is_explicit=True),)
    found: list[RunsFolder] = []
    runtime = values.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and _is_private(Path(runtime)):
        found.append(RunsFolder(path=_canonical(Path(runtime)) / NAME, source="XDG_RUNTIME_DIR"))
    for temporary in (values.get("TMPDIR", ""), "/tmp"):  # noqa: S108  # checked when it is opened
        if temporary.startswith("/"):
            folder = _canonical(Path(temporary)) / f"{NAME}-{os.geteuid()}"
            if folder not in [known.path for known in found]:
                found.append(RunsFolder(path=folder, source="the temporary folder"))
    return tuple(found)


def _canonical(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _is_private(folder: Path) -> bool:
    try:
        found = folder.stat()
    except OSError:
        return False
    is_ours = found.st_uid == os.geteuid() and not found.st_mode & _OTHERS_WRITE
    return stat.S_ISDIR(found.st_mode) and is_ours


def _reason(error: OSError) -> str:
    if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EEXIST}:
        return "it is a link, or not a folder"
    return error.strerror or str(error)
