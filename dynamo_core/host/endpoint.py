"""One endpoint in its host: calls of all four kinds, with their deadlines, limits and errors."""

from __future__ import annotations

import asyncio
import functools
import time
from typing import TYPE_CHECKING, Any, NoReturn

from dynamo_core.errors import CallError, CallTimeoutError, OverloadedError, ServiceUnavailableError
from dynamo_core.host.admission import FullError
from dynamo_core.host.context import CURRENT_CALL, CallContext
from dynamo_core.host.endings import error_for_caller
from dynamo_core.host.failures import log_failure
from dynamo_core.host.open_stream import OpenStream
from dynamo_core.host.thread_call import ThreadCall

if TYPE_CHECKING:
    import contextvars
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from dynamo_core.definition import EndpointDefinition
    from dynamo_core.host.admission import Lane
    from dynamo_core.host.thread_stream import ThreadStream
    from dynamo_core.host.workplace import Workplace
    from dynamo_core.values import EndpointCodec


class HostedEndpoint:
    """An endpoint that a host runs; arguments come by name, as its codec decodes them.

    Args:
        definition: The endpoint.
        codec: Its codec.
        workplace: What the host's endpoints share.
        lane: Its limit; None when nothing limits it. An endpoint that runs in threads has one.
        timeout_s: Seconds of a call whose caller sets no limit; None for no limit.

    Attributes:
        definition: The endpoint.
        codec: Encodes and decodes what is given and returned.
        is_stream: Whether :meth:`stream` is the one to use, instead of :meth:`call`.
        may_wait: Whether its calls need a place before they run.
        timeout_s: Seconds of a call whose caller sets no limit.
    """

    def __init__(
        self,
        definition: EndpointDefinition,
        codec: EndpointCodec,
        workplace: Workplace,
        lane: Lane | None,
        timeout_s: float | None,
    ) -> None:
        self.definition = definition
        self.codec = codec
        self.is_stream = definition.kind.is_stream
        self.may_wait = lane is not None
        self.timeout_s = timeout_s
        self._is_sync = definition.kind.is_sync
        self._is_plain = not self.is_stream and not self._is_sync and lane is None and timeout_s is None
        self._workplace = workplace
        self._calls = workplace.calls
        self._clock = workplace.clock
        self._running = workplace.calls.calls
        self._lane = lane
        self._method: Callable[..., Any]
        self._refusal: ServiceUnavailableError | None
        self.unbind("it has not been started")

    def bind(self, method: Callable[..., Any]) -> None:
        """Answer calls with *method* from now on."""
        self._method = method
        self._refusal = None

    def unbind(self, reason: str) -> None:
        """Refuse calls from now on."""
        self._refusal = ServiceUnavailableError(self._workplace.service, reason)
        self._method = self._refuse

    async def call(
        self, arguments: dict[str, object], context: CallContext, task: asyncio.Task[Any] | None = None
    ) -> object:
        """Run the endpoint once.

        Cancelling the caller cancels the endpoint; a ``def`` endpoint goes on in its thread and its result is
        dropped.

        Args:
            arguments: By parameter name.
            context: The call; used for no other one. Without a deadline it gets the endpoint's own.
            task: The running task, for callers that know it: to ask for it takes long before Python 3.12.

        Returns:
            What the endpoint returned, not yet encoded.

        Raises:
            RemoteCallError: The endpoint raised.
            CallTimeoutError: The deadline passed.
            OverloadedError: As many calls run and wait as may.
            CallCancelledError: The host stops, or the endpoint cancelled itself.
            CallError: An error of a nested call that the endpoint let through.
        """
        if not self._is_plain or context.deadline is not None:
            return await self._call_fully(arguments, context, task)
        task = task or asyncio.current_task()
        self._running[context] = task  # type: ignore[assignment]  # a coroutine runs inside a task
        token = CURRENT_CALL.set(context)
        try:
            return await self._method(**arguments)
        except BaseException as exc:
            error = error_for_caller(exc, context, task, self._calls)
            if error is exc:
                raise
            raise error from exc
        finally:
            try:  # noqa: SIM105  # the hot path: without a function more
                CURRENT_CALL.reset(token)
            except ValueError:
                pass  # the coroutine is thrown away in another task's context
            self._calls.leave(context)

    async def stream(
        self, arguments: dict[str, object], context: CallContext
    ) -> AsyncGenerator[object, None]:
        """Run a stream endpoint; nothing of it runs before the first step.

        Closing the iterator early closes the endpoint's generator, and waits for its ``finally``.

        Args:
            arguments: By parameter name.
            context: The call; used for no other one. Its deadline is that of the whole stream.

        Yields:
            The items, not yet encoded.

        Raises:
            CallError: As :meth:`call`.
        """
        opened = OpenStream(self._workplace, context, self._set_deadline(context))
        try:
            source: Any = None
            while True:
                if opened.is_interrupted:
                    raise opened.interruption()
                opened.task = asyncio.current_task()
                token = CURRENT_CALL.set(context)
                try:
                    if source is None:
                        source = await self._open(opened, arguments, context)
                    item = await source.__anext__()
                    if opened.is_interrupted:  # it swallowed its cancellation
                        raise opened.interruption()
                except BaseException as exc:
                    error = opened.explain(exc)
                    if error is None:
                        return
                    if error is exc:
                        raise
                    raise error from exc
                finally:
                    opened.task = None
                    try:  # noqa: SIM105  # suppress() takes longer than all the rest of a step
                        CURRENT_CALL.reset(token)
                    except ValueError:
                        pass  # the coroutine is thrown away in another task's context
                yield item
        finally:
            await opened.close()

    async def feed(
        self,
        arguments: dict[str, object],
        context: CallContext,
        put: Callable[[object], Awaitable[None] | None],
    ) -> None:
        """Run a stream endpoint to its end in the current task, which does nothing else: :meth:`stream` for less.

        Args:
            arguments: By parameter name.
            context: The call; used for no other one. Its deadline is that of the whole stream.
            put: Takes each item, not yet encoded; what it returns is awaited before the next step, unless it is
                None. What it raises ends the stream, and goes on as it is.

        Raises:
            CallError: As :meth:`call`.
        """
        opened = OpenStream(self._workplace, context, self._set_deadline(context))
        opened.task = task = asyncio.current_task()
        token = CURRENT_CALL.set(context)
        step: Any = None
        try:
            while True:
                try:
                    if step is None:
                        step = (await self._open(opened, arguments, context)).__anext__
                    item = await step()
                    if opened.is_interrupted:  # it swallowed its cancellation
                        raise opened.interruption()
                except BaseException as exc:
                    error = opened.explain(exc)
                    if error is None:
                        return
                    if error is exc:
                        raise
                    raise error from exc
                waiting = put(item)
                if waiting is not None:
                    opened.task = None
                    await waiting
                    opened.task = task
                    if opened.is_interrupted:
                        raise opened.interruption()
        finally:
            opened.task = None
            _reset(token)
            await opened.close()

    async def _open(
        self, opened: OpenStream, arguments: dict[str, object], context: CallContext
    ) -> AsyncGenerator[object, None] | ThreadStream:
        """Take a place for a stream and make its source."""
        if not self.is_stream:
            raise TypeError(f"{self.definition.name} is no stream: use call()")
        lane = await self._enter(context)
        if lane is not None and self._is_sync:
            return opened.open_thread(lane, functools.partial(self._method, **arguments))
        try:
            generator = self._method(**arguments)
        except BaseException:
            self._leave(lane)
            raise
        return opened.open_generator(lane, generator)

    async def _call_fully(
        self, arguments: dict[str, object], context: CallContext, task: asyncio.Task[Any] | None
    ) -> object:
        limit_s = self._set_deadline(context)
        task = task or asyncio.current_task()
        assert task is not None
        deadline = None if context.deadline is None else self._clock.watch(context, task, limit_s)
        self._running[context] = task
        token = CURRENT_CALL.set(context)
        try:
            if self._lane is None and not self.is_stream:
                result = await self._method(**arguments)
            else:
                result = await self._run(arguments, context)
            if deadline is not None and deadline.has_passed:
                raise deadline.error()  # the endpoint swallowed its cancellation, or was too late by itself
        except BaseException as exc:
            error = error_for_caller(exc, context, task, self._calls, deadline)
            if error is exc:
                raise
            raise error from exc
        else:
            return result
        finally:
            if deadline is not None:
                deadline.stop()
            _reset(token)
            self._calls.leave(context)

    async def _run(self, arguments: dict[str, object], context: CallContext) -> object:
        if self.is_stream:
            raise TypeError(f"{self.definition.name} is a stream: use stream()")
        lane = await self._enter(context)
        if lane is not None and self._is_sync:
            return await self._run_in_thread(arguments, context, lane)
        try:
            return await self._method(**arguments)
        finally:
            self._leave(lane)

    async def _run_in_thread(self, arguments: dict[str, object], context: CallContext, lane: Lane) -> object:
        def returned(is_dropped: bool, error: BaseException | None) -> None:
            self._leave(lane)
            if job.is_left:
                self._calls.thread_returned()
            if is_dropped and error is not None and not isinstance(error, CallError):
                log_failure(error, context, "raised after its call had been given up")

        job = ThreadCall(functools.partial(self._method, **arguments), returned)
        try:
            self._workplace.threads.submit(job)
        except RuntimeError as exc:
            self._leave(lane)
            raise ServiceUnavailableError(context.service, f"no thread can run it: {exc}") from exc
        try:
            return await job.wait()
        finally:
            if job.is_left:
                context.cancel()
                self._calls.thread_left()

    async def _enter(self, context: CallContext) -> Lane | None:
        """Wait for a place; gives the lane whose place was taken."""
        if self._refusal is not None:
            self._refuse()
        lane = self._lane
        if lane is not None:
            try:
                await self._workplace.admission.enter(lane)
            except FullError as exc:
                raise OverloadedError(context.service, context.endpoint, limit=exc.limit) from None
        if context.on_begin is not None:
            try:
                context.on_begin()
            except BaseException:
                self._leave(lane)
                raise
        return lane

    def _leave(self, lane: Lane | None) -> None:
        if lane is not None:
            self._workplace.admission.leave(lane)

    def _set_deadline(self, context: CallContext) -> float | None:
        """Give the call the endpoint's own limit when it has none; gives that limit for messages.

        Raises:
            CallTimeoutError: The deadline has passed already.
        """
        if context.deadline is None:
            if self.timeout_s is not None:
                context.deadline = time.monotonic() + self.timeout_s
            return self.timeout_s
        if context.deadline <= time.monotonic():
            context.cancel()
            raise CallTimeoutError(self._workplace.service, self.definition.name)
        return None

    def _refuse(self, **_: object) -> NoReturn:
        """Stands in for the method while there is none."""
        assert self._refusal is not None
        raise ServiceUnavailableError(self._refusal.service, self._refusal.reason)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._workplace.service}.{self.definition.name}>"


def _reset(token: contextvars.Token[CallContext | None]) -> None:
    try:  # noqa: SIM105  # as above
        CURRENT_CALL.reset(token)
    except ValueError:
        pass  # the coroutine is thrown away in another task's context
