"""The lifespan of an application that has none, and running the one it has."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from dynamo_core.errors import StartError

if TYPE_CHECKING:
    from dynamo_core.http.asgi import AsgiApplication, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

_STOP_TIMEOUT_S: Final = 10.0
_ENDED: Final = "ended"


async def run_empty_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the lifespan protocol without doing anything."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class Lifespan:
    """Runs the lifespan of one application beside its server.

    Attributes:
        state: What the application's lifespan left for its requests.
    """

    def __init__(self, application: AsgiApplication) -> None:
        self.state: dict[str, Any] = {}  # the application's own
        self._application = application
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the application's lifespan; whoever calls this calls :meth:`stop`.

        An application that raises on this event, instead of reporting a failure, has no lifespan.

        Raises:
            StartError: The application reported that its start failed.
        """
        self._task = asyncio.get_running_loop().create_task(self._run(), name="http-lifespan")
        answer = await self._ask("lifespan.startup")
        if answer["type"] == "lifespan.startup.failed":
            lines = str(answer.get("message", "")).strip().splitlines()
            cause = lines[-1] if lines else "no reason given"
            raise StartError("http", f"the application's lifespan failed: {cause}", last_lines=lines[-20:])

    async def stop(self) -> None:
        """Stop it; what does not stop in time is cancelled."""
        task = self._task
        if task is None:
            return
        self._task = None
        try:
            if not task.done():
                async with asyncio.timeout(_STOP_TIMEOUT_S):
                    answer = await self._ask("lifespan.shutdown")
                    if answer["type"] == "lifespan.shutdown.failed":
                        logger.error(
                            "the application's lifespan failed to stop: %s", answer.get("message", "")
                        )
        except TimeoutError:
            logger.warning("the application's lifespan did not stop within %g s", _STOP_TIMEOUT_S)
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=_STOP_TIMEOUT_S)

    async def _ask(self, event: str) -> Message:
        self._inbox.put_nowait({"type": event})
        return await self._answers.get()

    async def _run(self) -> None:
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._application(scope, self._inbox.get, self._answers.put)
        except Exception as exc:  # noqa: BLE001  # the application's own code
            logger.debug("the application's lifespan raised %s: %s", type(exc).__name__, exc)
        finally:
            self._answers.put_nowait({"type": _ENDED})
