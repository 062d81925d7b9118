"""A service's instance: how it is built, and its hooks."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any

from dynamo_core.dependency import Dependency
from dynamo_core.host.thread_call import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dynamo_core.definition import ServiceDefinition
    from dynamo_core.host.threads import ThreadPool

logger = logging.getLogger("dynamo_core.host")


def build_instance(
    definition: ServiceDefinition, clients: Mapping[str, object], service_context: object
) -> Any:
    """Make the instance: clients and context are on it before its ``__init__`` runs.

    Args:
        definition: The service.
        clients: By attribute.
        service_context: Set on the attributes that are annotated with ``ServiceContext``.

    Raises:
        Exception: What the class raises.
    """
    cls: Any = definition.inner
    instance = cls.__new__(cls)
    for attribute, client in clients.items():
        declared = inspect.getattr_static(cls, attribute, None)
        if isinstance(declared, Dependency):
            declared.__set__(instance, client)
        else:
            object.__setattr__(instance, attribute, client)
    for attribute in definition.context_attributes:
        object.__setattr__(instance, attribute, service_context)
    instance.__init__()
    return instance


class HookRunner:
    """Runs life-cycle hooks of one instance: ``def`` ones in a thread, ``async def`` ones on the loop.

    Args:
        instance: The service's instance.
        threads: Where ``def`` hooks run.
        service: Name of the service, for the log.
    """

    def __init__(self, instance: object, threads: ThreadPool, service: str) -> None:
        self._instance = instance
        self._threads = threads
        self._service = service

    async def run(self, name: str) -> object:
        """Run one hook and give what it returns.

        Raises:
            BaseException: What it raises, unchanged.
        """
        method = getattr(self._instance, name)
        if inspect.iscoroutinefunction(method):
            return await method()
        result = await run_in_thread(self._threads, method)
        return await result if inspect.isawaitable(result) else result  # def, and asynchronous all the same

    async def run_all(self, names: Iterable[str]) -> None:
        """Run hooks one after another.

        Raises:
            BaseException: What the first that fails raises, unchanged.
        """
        for name in names:
            await self.run(name)

    async def run_each(self, names: Iterable[str]) -> None:
        """Run hooks one after another; what one raises is logged, and the next one runs."""
        for name in names:
            try:
                await self.run(name)
            except BaseException as exc:  # noqa: BLE001  # SystemExit of a hook must not keep the others from running
                self._log_or_raise(exc, name)

    async def all_hold(self, names: Iterable[str]) -> bool:
        """Whether every hook says yes; one that raises says no, and is logged. ``None`` counts as yes."""
        for name in names:
            try:
                answer = await self.run(name)
            except BaseException as exc:  # noqa: BLE001  # as above
                self._log_or_raise(exc, name)
                return False
            if answer is not None and not answer:
                return False
        return True

    def _log_or_raise(self, exc: BaseException, name: str) -> None:
        """Log what a hook raised; a cancellation that was asked for goes on."""
        task = asyncio.current_task()
        if isinstance(exc, asyncio.CancelledError | GeneratorExit) and (task is None or task.cancelling()):
            raise exc
        logger.error("service %s: hook %s failed", self._service, name, exc_info=exc)
