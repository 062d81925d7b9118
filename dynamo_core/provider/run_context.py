"""What ``run_services`` returns: one object for ``async with`` and for a plain ``with``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from dynamo_core.errors import DynamoError
from dynamo_core.exposure import describe_exposure
from dynamo_core.module_loading import refuse_while_importing
from dynamo_core.provider.blocking import BlockingServices
from dynamo_core.provider.loop_thread import LoopThread, RunEndedError, refuse_on_loop

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from dynamo_core.provider.bound import BoundGraph
    from dynamo_core.provider.interfaces import RunningServices
    from dynamo_core.provider.manager import HookManager

logger = logging.getLogger(__name__)


class RunContext:
    """Runs a graph for as long as its block lasts.

    Use it once, in one of two forms.
    ``async with`` runs it on the running event loop and gives the ``RunningServices`` of the provider.
    A plain ``with`` runs it on a thread of its own and gives the blocking form.

    What the block raises leaves it unchanged, Ctrl-C included; the provider is only told to stop.

    Args:
        manager: The hooks.
        bind: Binds the graph; called on entering.
        options: The provider's options for the run.
    """

    def __init__(self, manager: HookManager, bind: Callable[[], BoundGraph], options: object) -> None:
        self._manager = manager
        self._bind = bind
        self._options = options
        self._was_used = False
        self._context: AbstractAsyncContextManager[RunningServices] | None = None
        self._blocking: _BlockingRun | None = None

    def _begin(self) -> BoundGraph:
        if self._was_used:
            raise DynamoError("this run was entered already; call run_services() again for another one")
        refuse_while_importing("run_services()")  # a worker imports the script that started it
        self._was_used = True
        graph = self._bind()
        warning = describe_exposure((service.definition, service.config) for service in graph.services)
        if warning is not None:
            logger.warning("%s", warning)
        return graph

    async def __aenter__(self) -> RunningServices:
        self._context = self._manager.run_services(self._begin(), self._options)
        running = await self._context.__aenter__()
        try:
            return self._manager.check_running(running)
        except BaseException:
            await self._context.__aexit__(None, None, None)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._context is not None, "__aexit__ comes after __aenter__"
        if isinstance(
            exc, asyncio.CancelledError
        ):  # time limits and task groups of the provider need to see it
            await self._context.__aexit__(kind, exc, traceback)
            return
        try:
            await self._context.__aexit__(None, None, None)
        except Exception as failure:  # noqa: BLE001  # it is raised again or logged
            _keep(exc, failure)

    def __enter__(self) -> BlockingServices:
        refuse_on_loop(
            "a plain 'with' over run_services()", "use 'async with target.run_services() as services'"
        )
        graph = self._begin()
        self._blocking = _BlockingRun(self._manager, graph, self._options)
        return self._blocking.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._blocking is not None, "__exit__ comes after __enter__"
        try:
            self._blocking.stop()
        except Exception as failure:  # noqa: BLE001  # it is raised again or logged
            _keep(exc, failure)


def _keep(exc: BaseException | None, failure: Exception) -> None:
    """Let the block's own exception be the one that leaves; without one, the failure of the end leaves.

    Raises:
        Exception: *failure*, when the block raised nothing.
    """
    if exc is None:
        raise failure
    logger.error(
        "the run did not end well after %s: %s: %s", type(exc).__name__, type(failure).__name__, failure
    )


class _BlockingRun:
    """One run on a thread of its own."""

    def __init__(self, manager: HookManager, graph: BoundGraph, options: object) -> None:
        self._manager = manager
        self._graph = graph
        self._options = options
        self._thread = LoopThread(f"dynamo-run-{graph.name}")
        self._stop = asyncio.Event()
        self._entered = threading.Event()
        self._running: RunningServices | None = None

    async def _main(self) -> None:
        try:
            async with self._manager.run_services(self._graph, self._options) as running:
                self._running = self._manager.check_running(running)
                self._entered.set()
                await self._stop.wait()
        finally:
            self._entered.set()

    def start(self) -> BlockingServices:
        """Start the run and wait until it is ready; an interrupted start is undone first.

        Raises:
            DynamoError: It could not be started; everything has been stopped again.
        """
        try:
            self._thread.start(self._main)
            self._entered.wait()
        except BaseException:  # Ctrl-C
            self._thread.cancel()
            with contextlib.suppress(BaseException):  # the cancellation, or what it met
                self._thread.join()
            raise
        if self._running is None:
            self._thread.join()
            raise RunEndedError
        return BlockingServices(self._running, self._graph, self._thread)

    def stop(self) -> None:
        """Stop the run and wait for its end; raises what ended it, when it was not this."""
        self._thread.call_soon(self._stop.set)
        self._thread.join()
