"""What the supervisor tells its workers: their bootstrap, then who serves what they depend on.

Each worker has one inherited socket that it can only read.
Its end of file is the worker's life-line: it means that the supervisor is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynamo_circus.plan import RunPlan, ServicePlan
    from dynamo_circus.supervisor.slots import Slot
    from dynamo_circus.supervisor.watcher import Watcher
    from dynamo_core.worker_kit.bootstrap import Bootstrap

logger = logging.getLogger(__name__)


class WorkerChannel:
    """The supervisor's end of one worker's socket; a worker that does not read costs memory, not time."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._unsent: deque[memoryview] = deque()
        self._is_waiting = False
        end.setblocking(False)

    def write(self, data: bytes) -> None:
        """Queue *data*; never blocks."""
        if self._end.fileno() >= 0:
            self._unsent.append(memoryview(data))
            if not self._is_waiting:
                self._flush()

    def close(self) -> None:
        """Close the worker's life-line."""
        self._wait(wanted=False)
        self._unsent.clear()
        self._end.close()

    def _flush(self) -> None:
        try:
            while self._unsent:
                sent = self._end.send(self._unsent[0])
                if sent == len(self._unsent[0]):
                    self._unsent.popleft()
                else:
                    self._unsent[0] = self._unsent[0][sent:]
        except BlockingIOError:
            self._wait(wanted=True)
            return
        except OSError:  # the worker has ended; the reaper will tell
            self._unsent.clear()
        self._wait(wanted=False)

    def _wait(self, *, wanted: bool) -> None:
        if wanted == self._is_waiting:
            return
        self._is_waiting = wanted
        loop = asyncio.get_running_loop()
        if wanted:
            loop.add_writer(self._end.fileno(), self._flush)
        else:
            loop.remove_writer(self._end.fileno())


class WorkerChannels:
    """The channels of all workers of a run.

    Args:
        plan: Says who depends on whom.
    """

    def __init__(self, plan: RunPlan) -> None:
        self._plan = plan
        self._channels: dict[tuple[str, int], WorkerChannel] = {}
        self._watchers: dict[str, Watcher] = {}
