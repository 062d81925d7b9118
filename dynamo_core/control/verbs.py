"""What may be asked of a run over its control socket: a fixed list, and nothing else.

The verbs are endpoints of a service like any other, so that the transport's checks hold for them too: who is on the
other end, which run is meant, how large a frame may be.
Nothing in a request is ever executed or imported.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Any, Final, Protocol

from dynamo_core.control.failures import failure_to_data
from dynamo_core.endpoint_mark import endpoint
from dynamo_core.errors import DynamoError
from dynamo_core.service_mark import service

if TYPE_CHECKING:
    from dynamo_core.provider.status import LogLine, RunStatus

CONTROL_SERVICE: Final = "DynamoControl"

RESULT: Final = "result"
FAILURE: Final = "failure"

Reply = dict[str, Any]
"""``{"result": ...}`` or ``{"failure": ...}``."""


class ControlledRun(Protocol):
    """A run, as far as it can be told what to do. Its members are used from the event loop of the control server.

    What they raise of :class:`dynamo_core.errors.DynamoError`, and ``TimeoutError``, reaches whoever asked.
    """

    async def status(self) -> RunStatus:
        """How every service and worker is doing now."""

    async def wait_ready(self, timeout_s: float | None, /) -> None:
        """Wait until every service has all its workers ready, for at most *timeout_s* seconds if given."""

    async def scale(self, service: str, workers: int, reason: str | None, /) -> None:
        """Bring a service to that many workers, and wait until they are ready or gone."""

    async def restart(self, service: str, reason: str | None, /) -> None:
        """Replace every worker of a service, and wait until the new ones are ready."""

    async def stop(self, reason: str | None, /) -> None:
        """Begin to end the run; returns at once, because the end closes the control socket too."""

    def logs(self, service: str | None, /, *, follow: bool) -> AsyncIterator[LogLine]:
        """Lines that were kept, of one service or of all; new ones too, until the run ends, if *follow* says so."""


@service(name=CONTROL_SERVICE)
class ControlVerbs:
    """The service on the control socket.

    Attributes:
        run: What is controlled; set before the first call.
    """

    run: ControlledRun

    @endpoint(idempotent=True)
    async def status(self) -> Reply:
        """How every service and worker is doing now."""

        async def ask() -> dict[str, Any]:
            return (await self.run.status()).to_data()

        return await _answer(ask())

    @endpoint(idempotent=True)
    async def wait_ready(self, timeout_s: float | None = None) -> Reply:
        """Wait until every service has all its workers ready."""
        return await _answer(self.run.wait_ready(timeout_s))

    @endpoint
    async def scale(self, service: str, workers: int, reason: str | None = None) -> Reply:
        """Bring a service to that many workers."""
        return await _answer(self.run.scale(service, workers, reason))

    @endpoint
    async def restart(self, service: str, reason: str | None = None) -> Reply:
        """Replace every worker of a service."""
        return await _answer(self.run.restart(service, reason))

    @endpoint(idempotent=True)
    async def stop(self, reason: str | None = None) -> Reply:
        """Begin to end the run."""
        return await _answer(self.run.stop(reason))

    @endpoint
    async def logs(self, service: str | None = None, follow: bool = False) -> AsyncIterator[Reply]:
        """Lines that workers wrote."""
        lines = self.run.logs(service, follow=follow)
        try:
            async for line in lines:
                yield {RESULT: line.to_data()}
        except (DynamoError, TimeoutError) as exc:
            yield {FAILURE: failure_to_data(exc)}
        finally:
            close = getattr(lines, "aclose", None)
            if close is not None:
                await close()


async def _answer(asked: Awaitable[Any]) -> Reply:
    try:
        return {RESULT: await asked}
    except (DynamoError, TimeoutError) as exc:
        return {FAILURE: failure_to_data(exc)}
