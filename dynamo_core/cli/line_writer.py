"""Messages written from a thread of their own.

``dynamo serve`` may be the process that watches over workers: a terminal that somebody has paused, or a pipe that
nobody reads, must not keep it from that.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from dynamo_core.cli.console import message, message_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from dynamo_core.cli.console import Kind, Part

PENDING_LINES: Final = 10_000
CLOSE_TIMEOUT_S: Final = 1.0


class LineWriter:
    """Writes messages in order, and never blocks who gives them; what does not fit is dropped and counted.

    Use it as a context manager: leaving writes what is pending, for at most a second.

    Args:
        pending_lines: Messages that may wait.
    """

    def __init__(self, *, pending_lines: int = PENDING_LINES) -> None:
        self._pending_lines = pending_lines
        self._pending: deque[Callable[[], None]] = deque()
        self._dropped = 0
        self._wake = threading.Condition()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="dynamo-messages", daemon=True)

    def __enter__(self) -> LineWriter:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        self._thread.join(CLOSE_TIMEOUT_S)

    def message(self, text: str, *, kind: Kind = "") -> None:
        """Like :func:`dynamo_core.cli.console.message`, later."""
        self._put(functools.partial(message, text, kind=kind))

    def message_line(self, *parts: Part) -> None:
        """Like :func:`dynamo_core.cli.console.message_line`, later."""
        self._put(functools.partial(message_line, *parts))

    def _put(self, write: Callable[[], None]) -> None:
        with self._wake:
            if len(self._pending) >= self._pending_lines:
                self._dropped += 1
                return
            self._pending.append(write)
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._pending and not self._is_closing:
                    self._wake.wait()
                if not self._pending:
                    return
                batch, self._pending = self._pending, deque()
                dropped, self._dropped = self._dropped, 0
            try:
                for write in batch:
                    write()
                if dropped:
                    message(f"{dropped} messages were dropped: they are read too slowly", kind="warning")
            except (OSError, ValueError):
                continue  # nobody reads any more, or the stream is closed: services go on


class RecordHandler(logging.Handler):
    """Shows log records as messages.

    Args:
        write: Takes a message and its kind.
        level: Level of this project's own records; those of others are shown from warnings on.
    """

    def __init__(self, write: Callable[..., None], level: int) -> None:
        super().__init__(min(level, logging.WARNING))
        self._write = write
        self._own_level = level

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        is_own = record.name.startswith("dynamo_")
        if record.levelno < (self._own_level if is_own else logging.WARNING):
            return
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001  # a record that does not fit its arguments
            self.handleError(record)
            return
        kind: Kind = "note"
        if record.levelno >= logging.WARNING:
            kind = "error" if record.levelno >= logging.ERROR else "warning"
        self._write(text, kind=kind)
