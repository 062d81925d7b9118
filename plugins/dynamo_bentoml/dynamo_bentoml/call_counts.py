"""Counts and times of calls, whoever makes them, among the metrics that BentoML offers."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from dynamo_bentoml.serving import call_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from dynamo_core.host import Host, HostedEndpoint

logger = logging.getLogger(__name__)

DONE: Final = "ok"
CANCELLED: Final = "cancelled"


def count_calls(host: Host) -> None:
    """Count the calls of every endpoint of *host* from now on; nothing carries calls to it yet."""
    for hosted in host.endpoints:
        _Counted(host.name, hosted).take_over()


class _Counted:
    """What stands before one endpoint: each call is observed once, with its time and how it ended.

    The end is ``ok``, ``cancelled``, or the name of the error's class; a stream that its reader closes early is
    cancelled. What a call is given, whoever carries it, goes on as it comes.
    """

    def __init__(self, service: str, hosted: HostedEndpoint) -> None:
        self._names = (service, hosted.definition.name)
        self._hosted = hosted
        self._call, self._stream, self._feed = hosted.call, hosted.stream, hosted.feed
        self._observers = {DONE: self._find_observer(DONE)}

    def take_over(self) -> None:
        """Stand before the endpoint."""
        self._hosted.call = self.call  # type: ignore[method-assign, assignment]  # carriers of calls ask for these three
        self._hosted.stream = self.stream  # type: ignore[method-assign, assignment]  # as above
        self._hosted.feed = self.feed  # type: ignore[method-assign, assignment]  # as above

    async def call(self, *given: Any) -> object:
        begun, end = time.perf_counter(), DONE
        try:
            return await self._call(*given)
        except BaseException as exc:
            end = _name_of(exc)
            raise
        finally:
            self._observe(end, begun)

    async def stream(self, *given: Any) -> AsyncGenerator[object, None]:
        begun, end = time.perf_counter(), DONE
        items: Any = self._stream(*given)
        try:
            async for item in items:
                yield item
        except BaseException as exc:
            end = _name_of(exc)
            raise
        finally:
            try:
                await items.aclose()
            finally:
                self._observe(end, begun)

    async def feed(self, *given: Any) -> None:
        begun, end = time.perf_counter(), DONE
        try:
            await self._feed(*given)
        except BaseException as exc:
            end = _name_of(exc)
            raise
        finally:
            self._observe(end, begun)

    def _observe(self, end: str, begun: float) -> None:
        observe = self._observers.get(end)
        if observe is None:
            observe = self._observers[end] = self._find_observer(end)
        observe(time.perf_counter() - begun)

    def _find_observer(self, end: str) -> Callable[[float], None]:
        """What counts calls with that end; nothing does when there is no place for it, since calls come first."""
        service, endpoint = self._names
        try:
            return call_seconds(service, endpoint, end)
        except Exception as exc:  # noqa: BLE001  # files of the metrics may be gone, or the disk may be full
            logger.warning("calls of %s.%s that end with %r are not counted: %s", service, endpoint, end, exc)
            return _count_nowhere


def _count_nowhere(seconds: float) -> None:
    """What counts where nothing can be counted."""


def _name_of(exc: BaseException) -> str:
    if isinstance(exc, asyncio.CancelledError | GeneratorExit):
        return CANCELLED
    return type(exc).__name__
