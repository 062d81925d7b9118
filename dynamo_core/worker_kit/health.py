"""Looking after a worker that serves: whether it is alive, whether it is ready, and whether it goes on at all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from dynamo_core.errors import DynamoError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from dynamo_core.host import Host
    from dynamo_core.http.gate import HttpGate

logger = logging.getLogger(__name__)

Tell = Callable[[Mapping[str, str]], None]

READY: Final = {"READY": "1", "STATUS": "serving"}
NOT_READY: Final = {"READY": "0", "STATUS": "not ready: a readiness hook says no"}
FIRST_READY_CHECK_S: Final = 0.1
"""Between two looks at a service that has never been ready."""

BEATS_PER_WATCHDOG: Final = 8
"""A worker that hangs is ended an eighth of the time late at most: that is how old its last beat may be."""


class NotAliveError(DynamoError):
    """A liveness hook said that the worker can no longer work."""

    def __init__(self, service: str, limit_s: float) -> None:
        super().__init__(f"{service}: a liveness hook said no, raised, or took longer than {limit_s:g} s")
        self.service = service


async def wait_ready(host: Host, tell: Tell) -> None:
    """Wait until the readiness hooks say that the service is ready."""
    limit_s = host.config.supervision.readiness_interval_s
    if await _passes(host.is_ready(), limit_s):
        return
    tell({"STATUS": "started, and waiting for a readiness hook to say yes"})
    while not await _passes(host.is_ready(), limit_s):
        await asyncio.sleep(FIRST_READY_CHECK_S)


async def watch_readiness(host: Host, tell: Tell, gate: HttpGate | None = None) -> None:
    """Tell when the readiness hooks change their mind, until cancelled; returns at once where there are none.

    Args:
        host: Has the hooks.
        tell: Tells whoever pushes memberships: callers then go elsewhere, or wait.
        gate: Is shut while the service is not ready.
    """
    if not host.definition.hooks.readiness:
        return
    interval_s = host.config.supervision.readiness_interval_s
    is_ready = True
    while True:
        await asyncio.sleep(interval_s)
        was_ready, is_ready = is_ready, await _passes(host.is_ready(), interval_s)
        if is_ready != was_ready:
            logger.warning("%s is %s", host.name, "ready again" if is_ready else "not ready")
            tell(READY if is_ready else NOT_READY)
            if gate is not None:
                gate.set_open(is_open=is_ready)


async def watch_liveness(host: Host) -> None:
    """Ask the liveness hooks, until cancelled; returns at once where there are none.

    Raises:
        NotAliveError: One of them said no.
    """
    if not host.definition.hooks.liveness:
        return
    interval_s = host.config.supervision.liveness_interval_s
    while True:
        await asyncio.sleep(interval_s)
        if not await _passes(host.is_alive(), interval_s):
            raise NotAliveError(host.name, interval_s)


async def _passes(check: Awaitable[bool], limit_s: float) -> bool:
    try:
        async with asyncio.timeout(limit_s):
            return await check
    except TimeoutError:
        return False


@contextlib.contextmanager
def watchdog(host: Host, tell: Tell) -> Iterator[None]:
    """Beat for as long as the worker makes progress: its loop turns, or its calls end.

    A thread looks and beats, so that a long queue of short steps within one turn of the loop counts as progress, and
    a single step that never ends does not.
    The supervisor ends a worker that has not beaten for ``watchdog_s`` with SIGABRT, upon which the stacks of all
    threads are written to standard error.
    """
    limit_s = host.config.supervision.watchdog_s
    if limit_s is None:
        yield
        return
    pulse = _Pulse(host, tell, limit_s / BEATS_PER_WATCHDOG)
    pulse.start()
    try:
        yield
    finally:
        pulse.stop()


class _Pulse:
    """Turns with the loop; beats from a thread of its own."""

    def __init__(self, host: Host, tell: Tell, interval_s: float) -> None:
        self._host = host
        self._tell = tell
        self._interval_s = interval_s
        self._loop = asyncio.get_running_loop()
        self._turns = 0
        self._timer: asyncio.TimerHandle | None = None
        self._has_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dynamo-watchdog", daemon=True)

    def start(self) -> None:
        self._turn()
        self._thread.start()

    def stop(self) -> None:
        self._has_stopped.set()
        if self._timer is not None:
            self._timer.cancel()

    def _turn(self) -> None:
        self._turns += 1
        self._timer = self._loop.call_later(self._interval_s / 2, self._turn)

    def _run(self) -> None:
        seen = (-1, -1)
        while not self._has_stopped.wait(self._interval_s):
            now = (self._turns, self._host.finished_steps)
            if now != seen:
                seen = now
                self._tell({"WATCHDOG": "1"})
