"""A supervisor on a thread of its own, seen from the event loop of the program that started it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import attrs

from dynamo_bentoml.devices import assign_devices
from dynamo_bentoml.supervisor.supervisor import Supervisor
from dynamo_core.errors import DynamoError
from dynamo_core.provider.loop_thread import LoopThread, RunEndedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from dynamo_bentoml.plan import RunPlan
    from dynamo_core.provider import LogLine, Member, ServiceEvent


@attrs.frozen(kw_only=True)
class ReadyRun:
    """A run that has become ready.

    Attributes:
        run_id: Its id.
        control_path: Its control socket.
    """

    run_id: str
    control_path: Path


class SupervisorThread:
    """Runs a plan beside the calling program.

    Nothing of the program's process is changed: no signal handler, no umask, no logger, and no child is waited for
    that the supervisor has not started.

    Args:
        plan: What to run.
        emit: Hears every event, on the supervisor's thread.
        show_lines: Takes what workers write, for people; likewise.

    Attributes:
        ready: Done once the run is ready; has the failure if it was not started.
        ended: Done once the run is over; the result is the failure that ended it, or None.
        members: Where the workers of each service are.
    """

    def __init__(
        self,
        plan: RunPlan,
        emit: Callable[[ServiceEvent], None],
        show_lines: Callable[[Sequence[LogLine]], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[ReadyRun] = self._loop.create_future()
        self.ended: asyncio.Future[BaseException | None] = self._loop.create_future()
        self.members: dict[str, tuple[Member, ...]] = {}
        self._plan = plan
        self._emit = emit
        self._show_lines = show_lines
        self._supervisor: Supervisor | None = None
        self._members_changed: Callable[[str, Sequence[Member]], None] | None = None
        self._thread = LoopThread(f"bentoml-{plan.graph}")
        self._thread.start(self._main)

    async def stop(self, reason: str) -> BaseException | None:
        """Stop the run, and wait until its thread is gone. Safe to call twice: both calls wait for the same end.

        Returns:
            The failure that ended the run, None when it was asked to stop.
        """

        def request() -> None:
            if self._supervisor is not None:
                self._supervisor.request_stop(reason)

        self._thread.call_soon(request)
        failure = await asyncio.shield(self.ended)
        await asyncio.to_thread(self._thread.join)
        return failure

    def watch_members(self, changed: Callable[[str, Sequence[Member]], None]) -> None:
        """Have *changed* called, on the program's loop, whenever a service's workers are elsewhere."""
        self._members_changed = changed

    async def _main(self) -> None:
        """The supervisor's own loop."""
        failure: BaseException | None = None
        try:
            environ = dict(os.environ)
            self._supervisor = supervisor = Supervisor(
                self._plan,
                emit=self._emit,
                environ=environ,
                show_lines=self._show_lines,
                devices=await asyncio.to_thread(assign_devices, self._plan, environ),
                tell_members=lambda service, members: self._tell(self._take_members, service, members),
            )
            telling = asyncio.get_running_loop().create_task(self._tell_ready(supervisor), name="ready")
            try:
                await supervisor.run()
            finally:
                telling.cancel()
        except BaseException as exc:  # noqa: BLE001  # raised again in the program
            failure = exc
        self._tell(self._end, failure)

    async def _tell_ready(self, supervisor: Supervisor) -> None:
        await supervisor.ready.wait()
        directory = supervisor.directory
        self._tell(
            self._become_ready,
            ReadyRun(run_id=directory.run_id, control_path=directory.control_socket_path),
        )

    def _tell(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the program's loop is closed: it has not waited for the end
            return

    # --- on the program's loop ---

    def _take_members(self, service: str, members: tuple[Member, ...]) -> None:
        self.members[service] = members
        if self._members_changed is not None:
            self._members_changed(service, members)

    def _become_ready(self, run: ReadyRun) -> None:
        if not self.ready.done():
            self.ready.set_result(run)

    def _end(self, failure: BaseException | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(failure if isinstance(failure, Exception) else RunEndedError())
            self.ready.exception()  # whoever waits gets it; nobody has to
        self.ended.set_result(failure)

    def failure(self) -> DynamoError | None:
        """What ended the run of itself, once it is over."""
        found = self.ended.result() if self.ended.done() else None
        return found if isinstance(found, DynamoError) else None
