"""One call of a generator endpoint: a thread takes all its steps, the event loop takes its items."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NoReturn

from dynamo_core.errors import CallError, ServiceUnavailableError
from dynamo_core.host.failures import log_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from dynamo_core.host.context import CallContext
    from dynamo_core.host.threads import ThreadPool

MAX_AHEAD: Final = 32
"""Items the generator may be ahead of its consumer: enough to pay for the changes of thread, few enough to hold."""
_END_MARKS: Final = (StopIteration, StopAsyncIteration)
_RESUME_AT: Final = MAX_AHEAD // 2


class ThreadStream:
    """An async iterator over a generator that runs in a thread.

    The thread is taken at the first step and kept until the generator has been closed, there too. Made on the
    loop; context variables are those of that moment.

    Args:
        make: Calls the endpoint; called in the thread.
        context: The call.
        threads: Where the thread comes from.
        when_returned: Called on the loop once no thread is needed any more.

    Attributes:
        is_left: Whether the thread still ran when :meth:`close` gave up waiting for it.
    """

    def __init__(
        self,
        make: Callable[[], Generator[Any, Any, Any]],
        context: CallContext,
        threads: ThreadPool,
        when_returned: Callable[[], None],
    ) -> None:
        self._make = make
        self._context = context
        self._threads = threads
        self._when_returned = when_returned
        self._variables = contextvars.copy_context()
        self._loop = asyncio.get_running_loop()
        self._items: deque[Any] = deque()
        self._error: BaseException | None = None
        self._has_ended = False
        self._is_closed = False
        self._room = threading.Condition()
        self._producer_waits = False
        self._consumer_waits = False
        self._wakeup: asyncio.Future[None] | None = None
        self._returned: asyncio.Future[None] | None = None
        self.is_left = False

    # --- on the loop ---

    async def __anext__(self) -> Any:
        """The next item.

        Raises:
            BaseException: What the generator raised, after its last item.
        """
        if self._returned is None:
            self._begin()
        while not self._items:
            if self._has_ended and not self._items:
                self._raise_end()
            await self._wait()
        item = self._items.popleft()
        if self._producer_waits and len(self._items) <= _RESUME_AT:
            self._let_go_on()
        return item

    async def close(self, patience_s: float) -> None:
        """Have the generator closed in its thread; one in the middle of a step is closed after that step.

        Args:
            patience_s: Seconds to wait for it.
        """
        self._is_closed = True
        if self._returned is None:
            self._when_returned()
            return
        self._let_go_on()
        try:
            if patience_s > 0 and not self._returned.done():
                await asyncio.wait([self._returned], timeout=patience_s)
        finally:
            self.is_left = not self._returned.done()
            self._log_error()

    def _begin(self) -> None:
        self._returned = self._loop.create_future()
        try:
            self._threads.submit(self)
        except RuntimeError as exc:
            self._has_ended = True
            self._finish()
            raise ServiceUnavailableError(self._context.service, f"no thread can run it: {exc}") from exc

    async def _wait(self) -> None:
        self._wakeup = self._loop.create_future()
        self._consumer_waits = True
        if self._producer_waits:
            self._let_go_on()
        if self._items or self._has_ended:  # they came before the thread could see the flag
            self._consumer_waits = False
            return
        try:
            await self._wakeup
        finally:
            self._wakeup = None

    def _let_go_on(self) -> None:
        with self._room:
            self._room.notify()

    def _wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)

    def _raise_end(self) -> NoReturn:
        error, self._error = self._error, None
        if isinstance(error, _END_MARKS):  # it would look like the end; PEP 479 does the same
            raise RuntimeError(f"the generator raised {type(error).__name__}") from error  # noqa: TRY004
        raise StopAsyncIteration if error is None else error

    def _finish(self) -> None:
        assert self._returned is not None
        self._returned.set_result(None)
        self._when_returned()
        self._wake()
        if self._is_closed:
            self._log_error()

    def _log_error(self) -> None:
        """Log what nobody will see; errors of nested calls are no news after a cancellation."""
        if self._has_ended and self._error is not None:
            error, self._error = self._error, None
            if not isinstance(error, CallError):
                log_failure(error, self._context, "raised while its generator was being closed")

    # --- in the thread ---

    def __call__(self) -> Callable[[], None]:
        """Take the steps, and give what tells of their end; called in the thread."""
        try:
            self._variables.run(self._produce)
        except BaseException as exc:  # noqa: BLE001  # it belongs to the caller
            self._error = exc
        return self._end

    def _end(self) -> None:
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
