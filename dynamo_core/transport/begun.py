"""The begun page: memory that a caller shares with a worker, so that it can tell what a dead worker had begun.

The page is a table of call numbers.
Before a worker runs the call with number *n*, it stores *n* at place *n* modulo ``ENTRIES``.
The caller never has two open calls with the same place.

A worker may live on when its connection is lost, and may be about to begin a call that came before.
So a number at the end of the page is the caller's: it stores 1 there before it reads what has begun, and from then on
the worker begins nothing that came on this connection.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
import time
from typing import Final

try:
    import fcntl

    _SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    _CAN_SHARE = hasattr(os, "memfd_create")
except (ImportError, AttributeError):  # not Linux: BEGIN frames take its place
    _CAN_SHARE = False

ENTRIES: Final = 4096
ENTRY_BYTES: Final = 4
WITHDRAWN: Final = ENTRIES
"""Place of the caller's number."""

PAGE_BYTES: Final = (ENTRIES + 1) * ENTRY_BYTES


class BegunPage:
    """The caller's end of a page.

    Attributes:
        fd: Descriptor to pass to the worker; :meth:`passed` closes it.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = _map(fd)
        self._table = memoryview(self._map).cast("I")

    @classmethod
    def create(cls) -> BegunPage | None:
        """A page of zeros; None where the system has none."""
        if not _CAN_SHARE:
            return None
        fd = os.memfd_create("dynamo-begun", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(fd, PAGE_BYTES)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
            return cls(fd)
        except BaseException:
            os.close(fd)
            raise

    def withdraw(self) -> None:
        """Have the worker begin no further call; what has begun is settled afterwards."""
        self._table[WITHDRAWN] = 1
        time.sleep(
            0
        )  # a store of the worker's that came before it could see this one reaches memory meanwhile

    def has_begun(self, number: int) -> bool:
        """Whether the worker has stored *number*."""
        return self._table[number % ENTRIES] == number

    def passed(self) -> None:
        """Close the descriptor; the memory stays."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def close(self) -> None:
        """Let the memory go. Safe to call twice."""
        self.passed()
        self._table.release()
        self._map.close()


class BegunMarks:
    """The worker's end of a page that a caller passed.

    Attributes:
        table: Where the numbers go: ``table[number % ENTRIES] = number``; ``table[WITHDRAWN]`` is not 0 once no
            call may begin.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        self._map = memory
        self.table = memoryview(memory).cast("I")

    @classmethod
    def open(cls, fd: int) -> BegunMarks | None:
        """Take in a descriptor, which is closed; None when it is no page.

        Its size must be sealed: memory that its owner can cut would end this process on the next store.
        """
        try:
            if not _CAN_SHARE or fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
                return None
            if os.fstat(fd).st_size != PAGE_BYTES:
                return None
            return cls(_map(fd))
        except (OSError, ValueError):
            return None
        finally:
            with contextlib.suppress(OSError):
                os.close(fd)

    def close(self) -> None:
        """Let the memory go. Safe to call twice."""
        self.table.release()
        self._map.close()


def _map(fd: int) -> mmap.mmap:
    if sys.version_info >= (3, 13):
        return mmap.mmap(fd, PAGE_BYTES, flags=mmap.MAP_SHARED, trackfd=False)
    return mmap.mmap(fd, PAGE_BYTES, flags=mmap.MAP_SHARED)
