"""A function that runs in a thread while somebody waits for it on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynamo_core.host.threads import ThreadPool


class ThreadCall:
    """Runs a function in a thread and brings its outcome to the loop.

    Made on the loop; context variables are those of that moment.

    Args:
        function: What to run.
        when_returned: Called on the loop once the function has returned, with whether its outcome was dropped
            and with what it raised.
    """

    def __init__(
        self, function: Callable[[], Any], when_returned: Callable[[bool, BaseException | None], object]
    ) -> None:
        self._function = function
        self._when_returned = when_returned
        self._variables = contextvars.copy_context()
        self._loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[Any] = self._loop.create_future()
        self._has_returned = False
        self.is_left = False

    def __call__(self) -> Callable[[], None]:
        """Run the function, and give what brings its outcome to the loop; called in the thread."""
        result: object = None
        error: BaseException | None = None
        try:
            result = self._variables.run(self._function)
        except StopIteration as exc:  # a future cannot hold one; a coroutine turns it into the same (PEP 479)
            error = RuntimeError("a function raised StopIteration")
            error.__cause__ = exc
        except BaseException as exc:  # noqa: BLE001  # it belongs to whoever waits
            error = exc
        return functools.partial(self._tell, result, error)

    def _tell(self, result: object, error: BaseException | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._deliver, result, error)

    async def wait(self) -> Any:
        """Wait for the outcome; a cancelled wait leaves the thread alone, and what it returns is dropped.

        Raises:
            BaseException: What the function raised.
        """
        try:
            return await self._outcome
        except asyncio.CancelledError:
            self.is_left = not self._has_returned
            raise

    def _deliver(self, result: object, error: BaseException | None) -> None:
        self._has_returned = True
        is_dropped = self._outcome.done()
        self._when_returned(is_dropped, error)
        if is_dropped:
            return
        if error is None:
            self._outcome.set_result(result)
        else:
            self._outcome.set_exception(error)


async def run_in_thread(threads: ThreadPool, function: Callable[[], Any]) -> Any:
    """Run *function* in a thread and give what it returns.

    Raises:
        BaseException: What it raises.
        RuntimeError: The threads have been told to end.
    """
    job = ThreadCall(function, lambda is_dropped, error: None)
    threads.submit(job)
    return await job.wait()
