"""Writing from a thread, for those who must never wait."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MOST_BYTES: Final = 2 * 1024 * 1024


class Spool(Generic[T]):
    """Has things written by a thread of its own; giving them never blocks.

    What does not fit while the thread is busy is dropped and counted.

    Args:
        write: Called on the thread with what is pending, oldest first, and how many lines were dropped after those.
        name: Name of the thread, which starts with the first thing that is put.
        most_bytes: Bytes that may be pending.
    """

    def __init__(
        self, write: Callable[[list[T], int], None], *, name: str, most_bytes: int = MOST_BYTES
    ) -> None:
        self._write = write
        self._most_bytes = most_bytes
        self._pending: deque[T] = deque()
        self._pending_bytes = 0
        self._dropped = 0
        self._wake = threading.Condition()
        self._is_closing = False
        self._name = name
        self._thread: threading.Thread | None = None

    def put(self, item: T, *, size: int, lines: int = 1, is_rare: bool = False) -> None:
        """Have *item* written; dropped when it does not fit, or after :meth:`close`.

        Args:
            item: What to write.
            size: Bytes that it takes.
            lines: How many lines it counts as when it is dropped.
            is_rare: Whether it may go past the limit, up to twice of it: a message among floods.
        """
        with self._wake:
            if self._is_closing:
                return
            if self._pending and self._pending_bytes + size > self._most_bytes * (2 if is_rare else 1):
                self._dropped += lines
                return
            self._pending.append(item)
            self._pending_bytes += size
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._wake.notify()

    def close(self, timeout_s: float = 1.0) -> bool:
        """Write what is pending, for at most *timeout_s* seconds; a thread that hangs is left alone.

        Safe to call twice.

        Returns:
            Whether the thread has ended.
        """
        with self._wake:
            self._is_closing = True
            self._wake.notify()
            thread = self._thread
        if thread is None:
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._pending and not self._is_closing:
                    self._wake.wait()
                if not self._pending:
                    return
                items = list(self._pending)
                self._pending.clear()
                self._pending_bytes = 0
                dropped, self._dropped = self._dropped, 0
            self._write(items, dropped)


def write_all(descriptor: int, data: bytes) -> None:
    """Write *data*, however long it takes, also where somebody has made the descriptor non-blocking.

    Raises:
        OSError: Nobody reads any more, or there is no room.
    """
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
