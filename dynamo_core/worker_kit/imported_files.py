"""Telling a supervisor that asks for it which of the user's files a worker has imported.

It restarts the worker when they change; ``Bootstrap.reports_imports`` says that it wants to know.
The files are told over the notification socket, as lines ``DYNAMO_WATCH=path``; a worker in any language may do so.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dynamo_core.worker_kit.notification import notify

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WATCH_KEY: Final = "DYNAMO_WATCH"

LOOK_INTERVAL_S: Final = 0.3
LONGEST_MESSAGE_BYTES: Final = 4000
FAILURE_WAIT_S: Final = 0.5

_OWN: Final = frozenset({"dynamo_core", "dynamo_circus", "dynamo_bentoml"})
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})


class ImportReporter:
    """Tells the supervisor of each of the user's files once, soon after it was imported."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._modules: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def report(self) -> None:
        """Tell of what was imported since the last time, in one message; what has no room there is told next time."""
        modules = list(sys.modules)
        if modules == self._modules:
            return
        untold = imported_files() - self._told
        if self._tell(untold, wait_s=0.0, most=1):
            self._modules = modules

    def report_failure(self, exc: BaseException) -> None:
        """Tell of the files that a failed start has to do with; modules that could not be imported are among them."""
        untold = {*imported_files(), *files_of_failure(exc)} - self._told
        self._tell(untold, wait_s=FAILURE_WAIT_S)

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Go on to report from the running event loop while the block lasts."""
        self._look()
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _look(self) -> None:
        self.report()
        self._timer = asyncio.get_running_loop().call_later(LOOK_INTERVAL_S, self._look)

    def _tell(self, files: Iterable[str], *, wait_s: float, most: int | None = None) -> bool:
        """Tell of *files*, in at most so many messages; whether that was enough."""
        parts = list(_parts(sorted(files)))
        for part in parts[:most]:
            if not notify("\n".join(f"{WATCH_KEY}={path}" for path in part), wait_s=wait_s):
                return False
            self._told.update(part)
        return most is None or len(parts) <= most


def imported_files() -> set[str]:
    """The user's files among those that modules came from: neither installed packages nor the standard library."""
    found = set()
    for name, module in list(sys.modules.items()):
        with contextlib.suppress(Exception):  # anything may stand there
            members: dict[str, Any] = object.__getattribute__(module, "__dict__")  # loads no lazy module
            spec, file = members.get("__spec__"), members.get("__file__")
            real_name = name if spec is None else spec.name
            if isinstance(file, str) and real_name.partition(".")[0] not in _OWN and is_users(file):
                found.add(str(Path(file).absolute()))
    return found


def files_of_failure(exc: BaseException) -> set[str]:
    """The user's files that an exception comes from, and what led to it."""
    found: set[str] = set()
    seen: set[int] = set()
    waiting: list[BaseException | None] = [exc]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        waiting += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
        if isinstance(each, SyntaxError) and each.filename:
            found.add(each.filename)
        found.update(frame.f_code.co_filename for frame, _ in traceback.walk_tb(each.__traceback__))
    own = f"{Path(__file__).parents[1]}{os.sep}"
    return {str(Path(file).absolute()) for file in found if is_users(file) and not file.startswith(own)}


def is_users(file: str) -> bool:
    """Whether a file is there, and neither installed nor of the standard library."""
    path = Path(file).absolute()
    if file.startswith("<") or not _INSTALLED.isdisjoint(path.parts):
        return False
    return not any(path.is_relative_to(folder) for folder in _libraries()) and path.is_file()


@functools.cache
def _libraries() -> frozenset[str]:
    return frozenset(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def _parts(files: Iterable[str]) -> Iterator[list[str]]:
    """*files* in parts that fit into one notification; a name that cannot be told in a line is left out."""
    part: list[str] = []
    size = 0
    for file in files:
        try:
            length = len(file.encode()) + len(WATCH_KEY) + 2
        except UnicodeEncodeError:
            continue
        if "\n" in file or length > LONGEST_MESSAGE_BYTES:
            continue
        if size + length > LONGEST_MESSAGE_BYTES:
            yield part
            part, size = [], 0
        part.append(file)
        size += length
    if part:
        yield part
