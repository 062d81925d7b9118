"""The blocking form of a run, for programs without an event loop."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, overload

from dynamo_core.provider.loop_thread import BlockedLoopError, refuse_on_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dynamo_core.provider.bound import BoundGraph
    from dynamo_core.provider.interfaces import RunningServices
    from dynamo_core.provider.loop_thread import LoopThread
    from dynamo_core.provider.status import LogLine, RunStatus

T = TypeVar("T")

_USE_ASYNC = "use 'async with target.run_services() as services' there"


class BlockingServices:
    """What a plain ``with target.run_services()`` gives: the members of ``RunningServices``, blocking.

    Members that a provider adds are there too: its coroutines block, its async iterators are plain ones, and
    everything else is what it is.

    Args:
        running: The run.
        graph: What it runs.
        thread: Where its event loop is.
    """

    def __init__(self, running: RunningServices, graph: BoundGraph, thread: LoopThread) -> None:
        self._running = running
        self._graph = graph
        self._thread = thread

    def status(self) -> RunStatus:
        """How every service and worker is doing now."""
        status: RunStatus = self._block("status()", self._running.status)
        return status

    def wait_ready(self, timeout_s: float | None = None) -> None:
        """Wait until every service has all its workers ready.

        Raises:
            TimeoutError: *timeout_s* seconds passed.
            ServiceFailedError: A service was given up meanwhile.
        """
        self._block("wait_ready()", self._running.wait_ready, timeout_s)

    def scale(self, service: str, workers: int, *, reason: str | None = None) -> None:
        """Bring a service to that many workers; see ``RunningServices.scale``."""
        self._block("scale()", self._running.scale, service, workers, reason=reason)

    def restart(self, service: str, *, reason: str | None = None) -> None:
        """Replace every worker of a service; see ``RunningServices.restart``."""
        self._block("restart()", self._running.restart, service, reason=reason)

    def stop(self, *, reason: str | None = None) -> None:
        """End the run; leaving the block does it too."""
        self._block("stop()", self._running.stop, reason=reason)

    def logs(self, service: str | None = None) -> Iterator[LogLine]:
        """Lines that workers wrote, then new ones until the run ends or the iterator is closed."""
        refuse_on_loop("logs()", _USE_ASYNC)
        return self._thread.iterate(lambda: self._running.logs(service))

    @overload
    def client(self, service: type[T]) -> T: ...
    @overload
    def client(self, service: str) -> Any: ...
    def client(self, service: type[Any] | str) -> Any:
        """A client for one service, all of whose endpoints block; streams are plain iterators.

        Raises:
            ServiceNotFoundError: The run has no such service.
        """

        async def get() -> object:
            return self._running.client(service)

        client = self._block("client()", get)
        declared = self._graph.find_service(service).inner if isinstance(service, str) else service
        return BlockingClient(client, declared, self._thread)

    def _block(self, what: str, function: Callable[..., Any], *args: object, **kwargs: object) -> Any:
        refuse_on_loop(what, _USE_ASYNC)
        return self._thread.call(function(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return blocking_form(getattr(self._running, name), self._thread, name)

    def __repr__(self) -> str:
        return f"<blocking form of {self._running!r}>"


class BlockingClient:
    """A client whose asynchronous endpoints block, for a thread without an event loop.

    Args:
        client: The client as the run has it.
        declared: The service's class, which says how each endpoint is written.
        thread: Where the client's event loop is.
    """

    def __init__(self, client: object, declared: type, thread: LoopThread) -> None:
        self.__client = client
        self.__declared = declared
        self.__thread = thread

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        member = getattr(self.__client, name)
        declared = inspect.getattr_static(self.__declared, name, None)
        return blocking_form(member, self.__thread, f"{self.__declared.__name__}.{name}", declared)

    def __repr__(self) -> str:
        return f"<blocking form of {self.__client!r}>"


def blocking_form(member: Any, thread: LoopThread, what: str, declared: object = None) -> Any:
    """*member* for a thread without a loop: coroutines block, async iterators are plain, the rest stays.

    Args:
        member: An attribute of an object that belongs to the loop of *thread*.
        thread: The loop's thread.
        what: What it is called in messages.
        declared: The function that says how *member* behaves; None when that is *member* itself.
    """
    if not callable(member) or isinstance(member, type):
        return member
    shape = member if declared is None else declared
    instead = "use the async form there"

    if inspect.isasyncgenfunction(shape):

        @functools.wraps(member)
        def iterate(*args: Any, **kwargs: Any) -> Iterator[Any]:
            refuse_on_loop(what, instead)
            return thread.iterate(lambda: member(*args, **kwargs))

        return iterate
    if inspect.iscoroutinefunction(shape):

        @functools.wraps(member)
        def block(*args: Any, **kwargs: Any) -> Any:
            refuse_on_loop(what, instead)
            return thread.call(_awaited(member, args, kwargs))

        return block

    @functools.wraps(member)
    def call(*args: Any, **kwargs: Any) -> Any:
        result = member(*args, **kwargs)
        if inspect.isawaitable(result):  # written with def, and asynchronous all the same
            try:
                refuse_on_loop(what, instead)
            except BlockedLoopError:
                if inspect.iscoroutine(result):
                    result.close()  # it will never be awaited
                raise
            return thread.call(_awaited(lambda: result, (), {}))
        if hasattr(result, "__anext__"):
            refuse_on_loop(what, instead)
            return thread.iterate(lambda: result)
        return result

    return call


async def _awaited(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return await function(*args, **kwargs)
