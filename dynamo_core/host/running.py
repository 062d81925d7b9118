"""The calls that one host runs: counted for draining, known for stopping."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from dynamo_core.host.context import CallContext

logger = logging.getLogger("dynamo_core.host")


class Interruptible(Protocol):
    """A call, or a stream, that can be told to end."""

    def cancel(self) -> object:
        """Tell it; a task is one of these."""


class RunningCalls:
    """What runs now. Used from one event loop.

    Attributes:
        calls: What to cancel, by call.
        stopped: Calls that the host itself cancelled, since it stops.
        threads_left: Threads that still run an endpoint whose call has ended.
        finished: How many calls have ended.
    """

    def __init__(self) -> None:
        self.calls: dict[CallContext, Interruptible] = {}
        self.stopped: set[CallContext] = set()
        self.threads_left = 0
        self.finished = 0
        self._idle: list[asyncio.Future[None]] = []
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """Whether no endpoint runs, not even in a thread that nobody waits for."""
        return not self.calls and not self.threads_left

    def leave(self, context: CallContext) -> None:
        """Forget a call that has ended."""
        context.has_ended = True
        self.finished += 1
        calls = self.calls
        calls.pop(context, None)
        if not calls:
            if self.stopped:
                self.stopped.clear()
            if self._idle and not self.threads_left:
                self._tell_idle()

    def thread_left(self) -> None:
        """Note that a call ended while its thread still runs."""
        self.threads_left += 1

    def thread_returned(self) -> None:
        """Note that such a thread has come back."""
        self.threads_left -= 1
        if self._idle and self.is_idle:
            self._tell_idle()

    def _tell_idle(self) -> None:
        waiting, self._idle = self._idle, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing runs; False when *timeout_s* seconds pass before."""
        give_up = time.monotonic() + timeout_s
        while not self.is_idle:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(future)
            try:
                async with asyncio.timeout(max(0.0, give_up - time.monotonic())):
                    await future
            except TimeoutError:
                return self.is_idle
        return True

    def cancel_all(self) -> int:
        """Cancel every call as one that the host ends; gives their number."""
        for context, running in list(self.calls.items()):
            self.stopped.add(context)
            context.cancel()
            running.cancel()
        return len(self.calls)

    def close_later(self, closing: Coroutine[None, None, None]) -> None:
        """Run what closes a stream that nobody steps; :meth:`wait_closed` waits for it."""
        task = asyncio.get_running_loop().create_task(closing, name="close-stream")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def wait_closed(self, timeout_s: float) -> None:
        """Wait for streams that are being closed, then cancel what closes them."""
        if not self._closing:
            return
        _, left = await asyncio.wait(self._closing, timeout=timeout_s)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=timeout_s)
