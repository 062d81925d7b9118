"""Calls from another thread, or another event loop, than the one a client belongs to."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from typing import TYPE_CHECKING, Any, Final

from dynamo_core.errors import CallCancelledError, ServiceUnavailableError
from dynamo_core.host.context import CURRENT_CALL
from dynamo_core.pump import END, Pump

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator

    from dynamo_core.host.context import CallContext

_LOOP_CHECK_S: Final = 5.0
"""A loop that is closed while calls run leaves them waiting; how often a blocked thread looks whether it was."""


class Bridge:
    """The way to the event loop of one service's client.

    Args:
        loop: The loop.
        service: Name of the service, for messages.
    """

    __slots__ = ("_loop", "_service")

    def __init__(self, loop: asyncio.AbstractEventLoop, service: str) -> None:
        self._loop = loop
        self._service = service

    def submit(self, coroutine: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]:
        """Run *coroutine* on the loop, from any thread.

        Raises:
            ServiceUnavailableError: The loop has been closed.
        """
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise self._ended() from None

    def wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run *coroutine* on the loop and block until it is done.

        An interrupted wait (Ctrl-C) cancels it; so does the end of the call that this thread answers.

        Raises:
            BaseException: What it raised.
            CallCancelledError: The call that this thread answers was cancelled.
            ServiceUnavailableError: The loop has ended, or ends meanwhile.
        """
        future = self.submit(coroutine)
        call = CURRENT_CALL.get()
        if call is not None:
            call.add_cancel_callback(future.cancel)
        try:
            return self._result(future)
        except concurrent.futures.CancelledError:
            raise self._cancelled(call) from None
        except BaseException:  # the call's own error, or Ctrl-C while it was waited for
            future.cancel()
            raise
        finally:
            if call is not None:
                call.remove_cancel_callback(future.cancel)

    async def follow(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run *coroutine* on the loop and wait for it on another one; cancelling the wait cancels it.

        Raises:
            BaseException: What it raised.
            ServiceUnavailableError: The loop has ended, or ends meanwhile.
        """
        future = self.submit(coroutine)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise self._ended() from None

    def iterate(self, open_source: Callable[[], AsyncGenerator[Any, None]]) -> Generator[Any, None, None]:
        """Iterate an async generator of the loop, blocking at each step; ending early closes it.

        Args:
            open_source: Makes it; called on the loop.
        """
        pump = Pump(open_source)
        running = self.submit(pump.run())
        try:
            while (item := self.wait(pump.step())) is not END:
                yield item
        finally:
            self._stop(pump)
            if asyncio._get_running_loop() is None:  # the collector may end an iteration on a loop
                concurrent.futures.wait([running], _LOOP_CHECK_S)

    async def follow_stream(
        self, open_source: Callable[[], AsyncGenerator[Any, None]]
    ) -> AsyncGenerator[Any, None]:
        """Iterate an async generator of the loop from another one; ending early closes it.

        Args:
            open_source: Makes it; called on the loop.
        """
        pump = Pump(open_source)
        running = self.submit(pump.run())
        try:
            while (item := await self.follow(pump.step())) is not END:
                yield item
        finally:
            self._stop(pump)
            await asyncio.wait([asyncio.wrap_future(running)], timeout=_LOOP_CHECK_S)

    def _result(self, future: concurrent.futures.Future[Any]) -> Any:
        """Wait for a result, but not for one that a closed loop will never give."""
        while True:
            try:
                return future.result(_LOOP_CHECK_S)
            except TimeoutError:
                if future.done():  # it is the call's own, or has come just now
                    return future.result()
                if self._loop.is_closed():
                    raise self._ended() from None

    def _stop(self, pump: Pump) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed, and the pump with it
            self._loop.call_soon_threadsafe(pump.stop)

    def _cancelled(self, call: CallContext | None) -> Exception:
        if call is not None and call.is_cancelled:
            return CallCancelledError(call.service, call.endpoint, slot=call.slot)
        return self._ended()

    def _ended(self) -> ServiceUnavailableError:
        return ServiceUnavailableError(self._service, "the event loop of this client has ended")
