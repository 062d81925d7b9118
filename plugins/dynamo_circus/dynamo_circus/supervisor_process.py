"""The supervisor process that a caller's program starts for its run, seen from that program.

Nothing of the caller's process is changed: no signal handler, no umask, no logger, no child watcher.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final, Self

from dynamo_circus.link import Link
from dynamo_core.control.failures import failure_from_data
from dynamo_core.errors import DynamoError
from dynamo_core.provider import ServiceEvent
from dynamo_core.transport import Member

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynamo_circus.plan import RunPlan

logger = logging.getLogger(__name__)

STOP_MARGIN_S: Final = 5.0


class SupervisorError(DynamoError):
    """The supervisor process was killed, or met an error that it could not tell of."""


class SupervisorProcess:
    """A running supervisor.

    Attributes:
        ready: Done once the run is ready, with its id; has the failure if it was not started.
        ended: Done once the supervisor is done; the result is the failure that ended the run, or None.
        members: Where the workers of each service are, and why there are none.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], link: Link, emit: Callable[[ServiceEvent], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[dict[str, Any]] = loop.create_future()
        self.ended: asyncio.Future[DynamoError | None] = loop.create_future()
        self._process = process
        self._link = link
        self.members: dict[str, tuple[tuple[Member, ...], str]] = {}
        self._emit = emit
        self._members_changed: Callable[[str, tuple[Member, ...], str], None] | None = None
        self._listening = loop.create_task(self._listen(), name=f"supervisor {process.pid}")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @classmethod
    async def start(cls, plan: RunPlan, emit: Callable[[ServiceEvent], None]) -> Self:
        """Start a supervisor and give it *plan*; does not wait for the run to be ready."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            process = subprocess.Popen(  # noqa: ASYNC220  # takes about a millisecond
                [sys.executable, "-P", "-m", "dynamo_circus.supervisor", "--link", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # a Ctrl-C in the caller's terminal is for the caller
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        link = await Link.open(ours)
        try:
            link.send("plan", plan.to_data())
        except BaseException:
            await link.aclose()
            process.kill()
            process.wait()
            raise
        return cls(process, link, emit)

    def watch_members(self, changed: Callable[[str, tuple[Member, ...], str], None]) -> None:
        """Have *changed* called with a service, where its workers are and why there are none, whenever that changes."""
        self._members_changed = changed

    async def stop(self, *, patience_s: float, reason: str) -> DynamoError | None:
        """Stop the run; the supervisor is killed if it takes longer than *patience_s*. Safe to call twice.

        Returns:
            The failure that ended the run, None when it was asked to stop.
        """
        self._link.send("stop", {"reason": reason})
        try:
            async with asyncio.timeout(patience_s + STOP_MARGIN_S):
                return await asyncio.shield(self.ended)
        except TimeoutError:
            logger.error("the supervisor (process %d) did not stop in time and is killed", self.pid)
            self._process.kill()
            return await asyncio.shield(self.ended)

    async def _listen(self) -> None:
        failure: DynamoError | None = None
        has_said_goodbye = False
        while (message := await self._link.receive()) is not None:
            kind, data = message
            if kind == "event":
                self._emit(ServiceEvent(**data))
            elif kind == "members":
                self._take_members(data)
            elif kind == "ready" and not self.ready.done():
                self.ready.set_result(data)
            elif kind == "failed":
                has_said_goodbye, failure = True, _failure(data)
            elif kind == "stopped":
                has_said_goodbye = True
        await self._link.aclose()
        status = await asyncio.to_thread(self._process.wait)
        if not has_said_goodbye:
            failure = SupervisorError(
                f"the supervisor (process {self.pid}) ended unexpectedly: {_describe(status)}"
            )
        if not self.ready.done():
            self.ready.set_exception(failure or SupervisorError("the run was stopped before it was ready"))
            self.ready.exception()  # whoever waits gets it; nobody has to
        self.ended.set_result(failure)

    def _take_members(self, data: dict[str, Any]) -> None:
        service = data["service"]
        members = tuple(Member(**member) for member in data["members"])
        self.members[service] = members, data["refusal"]
        if self._members_changed is not None:
            self._members_changed(service, *self.members[service])


def _failure(data: dict[str, Any]) -> DynamoError:
    failure = failure_from_data(data)
    return failure if isinstance(failure, DynamoError) else SupervisorError(str(failure))


def _describe(status: int) -> str:
    return f"killed by signal {-status}" if status < 0 else f"exit status {status}"
