"""An async iterator that is followed from somewhere else: another loop, or a thread."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

END: Final = object()
"""What the step after the last item gives."""


class Pump:
    """Takes the steps of one async iterator, all in one task of its loop, each when it is asked for.

    Args:
        open_source: Makes the iterator; called on the loop. It is closed in the end if it can be.
    """

    def __init__(self, open_source: Callable[[], AsyncIterator[Any]]) -> None:
        self._open_source = open_source
        self._requests: asyncio.Queue[asyncio.Future[Any]] = asyncio.Queue()
        self._task: asyncio.Task[Any] | None = None
        self._has_stopped = False

    async def step(self) -> Any:
        """The next item, or ``END`` when there are no more."""
        if self._has_stopped:
            return END
        request: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._requests.put_nowait(request)
        return await request

    def stop(self) -> None:
        """End the iteration, in the middle of a step too."""
        self._has_stopped = True
        if self._task is not None:
            self._task.cancel()

    async def run(self) -> None:
        """Answer requests until the iterator ends, raises, or :meth:`stop` is called."""
        self._task = asyncio.current_task()
        if self._has_stopped:
            return
        source = self._open_source()
        try:
            while await self._answer(source):
                pass
        finally:
            self._has_stopped = True
            self._task = None
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()

    async def _answer(self, source: AsyncIterator[Any]) -> bool:
        """Answer one request; False when there is nothing more to answer."""
        request = await self._requests.get()
        try:
            item = await anext(source, END)
        except Exception as exc:  # noqa: BLE001  # it belongs to whoever iterates
            if not request.done():
                request.set_exception(exc)
            return False
        except BaseException:
            request.cancel()
            raise
        if not request.done():  # whoever asked may have been interrupted
            request.set_result(item)
        return item is not END
