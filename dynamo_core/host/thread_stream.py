"""One call of a generator endpoint: a thread takes all its steps, the event loop takes its items."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from dynamo_core.host.failures import log_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from dynamo_core.host.context import CallContext
    from dynamo_core.host.threads import ThreadPool

MAX_AHEAD: Final = 16
"""Items the generator may be ahead of its consumer: enough to pay for the changes of thread, few enough to hold."""
_RESUME_AT: Final = MAX_AHEAD // 2
_CLOSE_WAIT_S: Final = 1.0


class ThreadStream:
    """An async iterator over a generator that runs in a thread.

    The thread is taken at the first step and kept until the generator has been closed, there too. Made on the
    loop; context variables are those of that moment.

    Args:
        make: Calls the endpoint; called in the thread.
        context: The call.
        threads: Where the thread comes from.
        when_returned: Called on the loop once the thread is free again; told whether :meth:`aclose` had given up
            waiting for that.
    """

    def __init__(
        self,
        make: Callable[[], Generator[Any, Any, Any]],
        context: CallContext,
        threads: ThreadPool,
        when_returned: Callable[[bool], None],
    ) -> None:
        self._make = make
        self._context = context
        self._threads = threads
        self._when_returned = when_returned
        self._variables = contextvars.copy_context()
        self._loop = asyncio.get_running_loop()
        self._items: deque[Any] = deque()
        self._room = threading.Condition()
        self._has_begun = False
        self._is_closed = False
        self._has_ended = False
        self._error: BaseException | None = None
        self._producer_waits = False
        self._consumer_waits = False
        self._wakeup: asyncio.Future[None] | None = None
        self._returned: asyncio.Future[None] = self._loop.create_future()
        self.is_left = False

    # --- on the loop ---

    def __aiter__(self) -> ThreadStream:
        return self

    async def __anext__(self) -> Any:
        """The next item.

        Raises:
            Exception: What the generator raised, after its last item.
        """
        if not self._has_begun:
            self._begin()
        while not self._items:
            if self._has_ended and not self._items:
                self._raise_end()
            await self._wait()
        item = self._items.popleft()
        if self._producer_waits and len(self._items) <= _RESUME_AT:
            with self._room:
                self._room.notify()
        return item

    def take_ready(self, limit: int) -> list[Any]:
        """Take up to *limit* items that are there already."""
        items = self._items
        taken = [items.popleft() for _ in range(min(limit, len(items)))]
        if self._producer_waits and len(items) <= _RESUME_AT:
            with self._room:
                self._room.notify()
        return taken

    async def aclose(self) -> None:
        """Close the generator in its thread, and wait for that unless nobody waits for the call any more.

        A generator in the middle of a step cannot be interrupted; it is closed after that step.
        """
        self._is_closed = True
        if not self._has_begun:
            self._has_begun = self._has_ended = True
            self._when_returned(False)
            return
        with self._room:
            self._room.notify()
        if self._returned.done():
            return
        if not self._context.is_cancelled:
            await asyncio.wait([self._returned], timeout=_CLOSE_WAIT_S)
        self.is_left = not self._returned.done()

    def _begin(self) -> None:
        self._has_begun = True
        try:
            self._threads.submit(self)
        except BaseException:
            self._has_ended = True
            self._returned.set_result(None)
            self._when_returned(False)
            raise

    async def _wait(self) -> None:
        self._wakeup = self._loop.create_future()
        self._consumer_waits = True
        if self._producer_waits:
            with self._room:
                self._room.notify()
        if self._items or self._has_ended:  # they came before the flag could be seen
            self._consumer_waits = False
            return
        try:
            await self._wakeup
        finally:
            self._wakeup = None

    def _wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)

    def _raise_end(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopAsyncIteration

    def _finish(self) -> None:
        self._returned.set_result(None)
        self._when_returned(self.is_left)
        self._wake()
        if self._error is not None and self._is_closed:
            log_failure(self._error, self._context, "raised while it was being closed")

    # --- in the thread ---

    def __call__(self) -> None:
        """Take the steps; called in the thread."""
        try:
            self._variables.run(self._produce)
        except BaseException as exc:  # noqa: BLE001  # it belongs to the caller
            self._error = exc
        self._has_ended = True
        self._tell(self._finish)

    def _produce(self) -> None:
        if self._is_closed:
            return
        generator = self._make()
        try:
            while self._wait_for_room():
                try:
                    item = next(generator)
                except StopIteration:
                    return
                self._items.append(item)
                if self._consumer_waits:
                    self._consumer_waits = False
                    self._tell(self._wake)
        finally:
            generator.close()

    def _wait_for_room(self) -> bool:
        """Wait until the consumer has caught up; False once the stream has been closed."""
        if len(self._items) >= MAX_AHEAD:
            with self._room:
                self._producer_waits = True
                while len(self._items) > _RESUME_AT and not self._is_closed:
                    self._room.wait()
                self._producer_waits = False
        return not self._is_closed

    def _tell(self, callback: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop has been closed: nobody takes items any more
            self._is_closed = True
