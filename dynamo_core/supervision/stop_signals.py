"""How a served graph is stopped by signals: the first asks, the second hurries, the third kills."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from types import FrameType, TracebackType

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")


def stop_signals() -> tuple[signal.Signals, ...]:
    """The signals that stop a run of this process: SIGINT, SIGTERM, and SIGHUP unless it is ignored.

    Who ignores SIGHUP, as ``nohup`` does, wants the run to outlive its terminal.
    """
    found = [signal.Signals[name] for name in _NAMES if name in signal.Signals.__members__]
    return tuple(
        number
        for number in found
        if number.name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN
    )


class StopSignals:
    """Takes the stop signals of this process for as long as its block lasts.

    The handlers are plain ones, so that the third signal ends the process even while something blocks its loop.

    Args:
        clear_up: What must be done before the process is killed.
    """

    def __init__(self, clear_up: Callable[[], None]) -> None:
        self._clear_up = clear_up
        self._before: dict[signal.Signals, Any] = {}
        self._count = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._steps: tuple[Callable[[], None], ...] = ()

    def connect(
        self, loop: asyncio.AbstractEventLoop, ask: Callable[[], None], hurry: Callable[[], None]
    ) -> None:
        """Have *ask* called on *loop* at the first signal and *hurry* at the second; signals so far count."""
        self._loop = loop
        self._steps = (ask, hurry)
        for step in self._steps[: self._count]:
            step()

    def __enter__(self) -> Self:
        for number in stop_signals():
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._count > 2:
            with contextlib.suppress(Exception):
                self._clear_up()
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        elif self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._steps[self._count - 1])
