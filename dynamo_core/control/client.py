"""The control socket of a run, from the side of whoever asks; works without the run's provider."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from dynamo_core.client import make_client
from dynamo_core.control.failures import ControlError, failure_from_data
from dynamo_core.control.verbs import CONTROL_SERVICE, FAILURE, RESULT, ControlVerbs
from dynamo_core.inspection import define_service
from dynamo_core.provider.status import LogLine, RunStatus
from dynamo_core.transport import Member, SlotChannel, TransportLimits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path
    from types import TracebackType

PATIENCE_S: Final = 5.0


class ControlClient:
    """Tells one run what to do. Used from one event loop, in which it is made.

    Every method raises what the run raised, and ``ServiceUnavailableError`` when nobody answers on the socket.

    Args:
        path: The run's control socket.
        run_id: The run's id; another run's socket refuses it.
        patience_s: Seconds in which somebody has to answer.
    """

    def __init__(self, path: Path, run_id: str, *, patience_s: float = PATIENCE_S) -> None:
        limits = TransportLimits(handshake_timeout_s=patience_s, unavailable_timeout_s=patience_s)
        self._channel = SlotChannel(CONTROL_SERVICE, run_id=run_id, limits=limits)
        self._channel.set_members([Member(slot=0, path=str(path), generation=0)])
        loop = asyncio.get_running_loop()
        self._verbs: ControlVerbs = make_client(
            ControlVerbs, define_service(ControlVerbs), self._channel, loop
        )

    async def status(self) -> RunStatus:
        """How every service and worker is doing now."""
        return RunStatus.from_data(_result(await self._verbs.status()))

    async def wait_ready(self, timeout_s: float | None = None) -> None:
        """Wait until every service has all its workers ready.

        Raises:
            TimeoutError: *timeout_s* passed.
            ServiceFailedError: A service was given up meanwhile.
        """
        _result(await self._verbs.wait_ready(timeout_s))

    async def scale(self, service: str, workers: int, *, reason: str | None = None) -> None:
        """Bring a service to that many workers; see ``RunningServices.scale``."""
        _result(await self._verbs.scale(service, workers, reason))

    async def restart(self, service: str, *, reason: str | None = None) -> None:
        """Replace every worker of a service; see ``RunningServices.restart``."""
        _result(await self._verbs.restart(service, reason))

    async def stop(self, *, reason: str | None = None) -> None:
        """Ask the run to end; returns once it has heard, and not when it is over."""
        _result(await self._verbs.stop(reason))

    async def logs(self, service: str | None = None, *, follow: bool = True) -> AsyncGenerator[LogLine, None]:
        """Lines that workers wrote: those kept, and new ones until the run ends if *follow* says so."""
        async with contextlib.aclosing(self._verbs.logs(service, follow)) as replies:  # type: ignore[type-var]
            async for reply in replies:
                yield LogLine.from_data(_result(reply))

    async def aclose(self) -> None:
        """Close the connection. Safe to call twice."""
        await self._channel.aclose()

    async def __aenter__(self) -> ControlClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _result(reply: Mapping[str, Any]) -> Any:  # whatever the verb gives
    if (failure := reply.get(FAILURE)) is not None:
        raise failure_from_data(failure)
    if RESULT not in reply:
        raise ControlError("the run answered with something else than a reply", type_name="")
    return reply[RESULT]
