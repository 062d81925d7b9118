"""An event loop on a thread of its own, for programs that have none."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from typing import TYPE_CHECKING, Any, TypeVar, cast

from dynamo_core.errors import DynamoError
from dynamo_core.pump import END, Pump

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

T = TypeVar("T")


class RunEndedError(DynamoError):
    """Something was asked of a run that has ended."""

    def __init__(self) -> None:
        super().__init__("the run has ended: use what it gave only inside its 'with' block")


class BlockedLoopError(DynamoError, RuntimeError):
    """A blocking form was used on a running event loop, which it would have stopped."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(f"{what} blocks and was used on a running event loop; {instead}")
        self.what = what
        self.instead = instead


def refuse_on_loop(what: str, instead: str) -> None:
    """Make sure that this thread runs no event loop.

    Raises:
        BlockedLoopError: It does.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise BlockedLoopError(what, instead)


class LoopThread:
    """Runs one main coroutine on a thread of its own, and other coroutines beside it until it ends.

    The thread is no daemon: an interpreter that ends waits for the main coroutine to clean up.

    Args:
        name: Name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._began = threading.Event()
        self._outcome: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._lock = threading.Lock()
        self._is_open = False
        self._is_cancelled = False
        self._thread: threading.Thread | None = None

    def start(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start the thread and, on it, what *main* returns. Call once."""
        thread = threading.Thread(target=self._run, args=(main,), name=self._name)
        thread.start()
        self._thread = thread
        self._began.wait()

    def _run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def run() -> None:
            with self._lock:
                self._loop = asyncio.get_running_loop()
                self._main = asyncio.current_task()
                self._is_open = not self._is_cancelled
            self._began.set()
            try:
                if self._is_open:
                    await main()
            finally:
                with self._lock:  # whatever is asked from now on is refused, and nothing waits for ever
                    self._is_open = False
                await asyncio.sleep(
                    0
                )  # what was asked just before becomes tasks now, and is cancelled with the rest

        try:
            asyncio.run(run())
        except BaseException as exc:  # noqa: BLE001  # raised again by whoever joins the thread
            self._outcome.set_exception(exc)
        else:
            self._outcome.set_result(None)
        finally:
            self._began.set()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run *coroutine* on the loop and wait for its result; an interrupted wait cancels it.

        Raises:
            RunEndedError: The loop has ended, or ends meanwhile.
        """
        future = self._submit(coroutine)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise RunEndedError from None
        except BaseException:  # the result's own error, or Ctrl-C while it was waited for
            future.cancel()
            raise

    def _submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        with self._lock:
            if self._is_open and self._loop is not None:
                return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        coroutine.close()
        raise RunEndedError

    def cancel(self) -> None:
        """Cancel the main coroutine, before it begins too; does nothing once it has ended."""
        with self._lock:
            self._is_cancelled = True
            if self._is_open and self._loop is not None and self._main is not None:
                self._loop.call_soon_threadsafe(self._main.cancel)

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Call *callback* on the loop; does nothing once the main coroutine has ended."""
        with self._lock:
            if self._is_open and self._loop is not None:
                self._loop.call_soon_threadsafe(callback)

    def join(self) -> None:
        """Wait for the thread to end, and raise what its main coroutine raised.

        Raises:
            RunEndedError: The main coroutine was cancelled.
        """
        if self._thread is None:
            return  # it could not be started
        try:
            self._outcome.result()
        except asyncio.CancelledError:
            raise RunEndedError from None
        self._thread.join()

    def iterate(self, open_source: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
        """Iterate an async iterator from a thread without a loop.

        One task on the loop takes every step of it, as async iterators may expect, and only when a step is asked
        for; ending the iteration early closes it.

        Args:
            open_source: Makes the async iterator; called on the loop.

        Raises:
            RunEndedError: The loop has ended, or ends meanwhile.
        """
        pump = Pump(open_source)
        running = self._submit(pump.run())
        try:
            while (item := self.call(pump.step())) is not END:
                yield cast("T", item)
        finally:
            self.call_soon(pump.stop)
            if threading.current_thread() is not self._thread:  # the collector may end an iteration anywhere
                with contextlib.suppress(concurrent.futures.CancelledError):
                    running.result()
